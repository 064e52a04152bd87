{
  one = 1;
  two = nosuchvariable;
}
