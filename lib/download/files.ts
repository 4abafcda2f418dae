/** One way of consuming an image: the addon writes it to files and devices. */
import type { NativeDownloadOptions, NativeJob, NativeTarget } from '../addon/binding';
import { errorOf, unwrap } from '../addon/load';
import type { DownloadRun } from './run';

/** Takes the run to its end, and throws what it fails with. No byte passes through JavaScript. */
export async function writeFiles(
  job: NativeJob,
  run: DownloadRun,
  targets: readonly NativeTarget[],
  options: NativeDownloadOptions,
): Promise<void> {
  let warning: string;
  try {
    warning = await new Promise<string>((resolve, reject) => {
      const native = unwrap(
        job.download(
          targets,
          options,
          (received, resumed) => run.received(received, resumed),
          (errno, detail) => {
            if (errno === 0) resolve(detail);
            else reject(errorOf(errno, detail));
          },
          (...change) => run.entered(...change),
        ),
      );
      run.start({
        stop: () => native.abort(),
        pause: (paused) => native.pause(paused),
      });
    });
  } catch (error) {
    throw run.fail(error);
  }
  run.succeed(warning);
}
