// `<runtime> imported.mjs <scenario>`: the package as an ES module gets it, by names and as a whole.
import packed, { connect, IotkitError, stats, tlsSource } from 'iotkit-ota';
import job from './job.cjs';

if (packed.connect !== connect) throw new Error('the default export is another package');
await job.scenarios[process.argv[2]]({ connect, IotkitError, stats, tlsSource });
