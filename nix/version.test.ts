import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byteStringOfText, textOfByteString } from './bytes.ts'
import { compareVersions, parseDrvName, splitVersion } from './version.ts'
import { goldenValues } from './testing/goldens.ts'

const { versions, names, compared, split, parsedNames } = goldenValues()

test('versions compare and split as in Nix', () => {
  versions.forEach((left, row) => {
    assert.deepEqual(splitVersion(left), split[row], left)
    versions.forEach((right, column) => assert.equal(compareVersions(left, right), compared[row]![column], `'${left}' with '${right}'`))
  })
})

test('names split into name and version as in Nix', () => {
  names.forEach((name, index) => {
    const { name: own, version } = parseDrvName(byteStringOfText(name))
    assert.deepEqual({ name: textOfByteString(own), version: textOfByteString(version) }, parsedNames[index], name)
  })
})
