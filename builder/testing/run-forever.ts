/** Ring: builder, for tests. A process that starts an endless build, to be killed. Its argument is the driver's settings as JSON. */
import { openRuncDriver, type RuncSettings } from '../runc.ts'
import { shellRequest } from './fixtures.ts'

const driver = await openRuncDriver(JSON.parse(process.argv[2]!) as RuncSettings)
await driver.reap()
await driver.run(shellRequest('echo building; mkdir $out; sh -c "while :; do sleep 1; done" firn-reap-marker & exec sleep 1000'), {
  onLog: (chunk) => void process.stdout.write(chunk),
})
