# Compiles tree's few files at once, and runs the result.
export PATH=$cc/bin:$PATH
tar -xz -f $src
cd */
mkdir -p $out/bin
gcc -O2 -Wall -DLINUX -D_LARGEFILE64_SOURCE -D_FILE_OFFSET_BITS=64 -o $out/bin/tree *.c
mkdir -p a/b
$out/bin/tree a | grep '2 directories'
