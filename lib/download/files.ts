/** One way of consuming an image: the addon writes it to files and devices. */
import {
  madeBy,
  type NativeDownloadOptions,
  type NativeJob,
  type NativeTarget,
} from '../addon/binding';
import { errorOf, unwrap } from '../addon/load';
import type { DownloadRun } from './run';
import type { SharedAs } from './state';

/** Takes the run to its end, and throws what it fails with. No byte passes through JavaScript. */
export async function writeFiles(
  job: NativeJob,
  run: DownloadRun,
  targets: readonly NativeTarget[],
  options: NativeDownloadOptions,
): Promise<void> {
  let end: { readonly warning: string; readonly sharedAs: SharedAs | undefined };
  try {
    end = await new Promise((resolve, reject) => {
      const native = unwrap(
        job.download(
          targets,
          options,
          (received, resumed) => run.received(received, resumed),
          (errno, detail, made = 0) => {
            if (errno === 0) resolve({ warning: detail, sharedAs: madeBy[made] });
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
  run.succeed(end.warning, end.sharedAs);
}
