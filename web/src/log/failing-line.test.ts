import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failingLine } from './failing-line.ts'

const found = (log: string): string | undefined => {
  const lines = log.split('\n')
  const index = failingLine(lines)
  return index === undefined ? undefined : lines[index]
}

test('the reason is found behind what passes it on', () => {
  assert.equal(found('cc -c a.c\na.c:3:5: error: unknown type name \'pkgz\'\nmake[1]: *** [Makefile:4: a.o] Error 1\nmake: *** [all] Error 2'), 'a.c:3:5: error: unknown type name \'pkgz\'')
  assert.equal(found('ld: undefined reference to `ERR_new\'\ncollect2: error: ld returned 1 exit status\nmake: *** [all] Error 1'), 'ld: undefined reference to `ERR_new\'')
  assert.equal(found('error[E0308]: mismatched types\n  --> src/main.rs:3:5\nerror: aborting due to 1 previous error\nerror: could not compile `x` (bin "x")'), 'error[E0308]: mismatched types')
  assert.equal(found('\u001b[1m\u001b[31merror[E0432]\u001b[0m: unresolved import `x`\nwarning: build failed, waiting for other jobs to finish...'), '\u001b[1m\u001b[31merror[E0432]\u001b[0m: unresolved import `x`')
  assert.equal(found('Traceback (most recent call last):\n  File "x.py", line 1\nModuleNotFoundError: No module named \'y\'\n'), 'ModuleNotFoundError: No module named \'y\'')
  assert.equal(found('/bin/sh: 1: gcc: command not found\ndone with errors'), '/bin/sh: 1: gcc: command not found')
  assert.equal(found('FAIL: tests/one\n# 1 of 30 tests failed'), 'FAIL: tests/one')
})

test('where nothing looks like a reason, what passes it on; and nothing where all is well', () => {
  assert.equal(found('one\nmake: *** [all] Error 2\ntwo'), 'make: *** [all] Error 2')
  assert.equal(found('checking for terror... no\ncompiling errors.c\nall is well'), undefined)
  assert.equal(failingLine([]), undefined)
})
