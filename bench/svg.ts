// Plots as files of their own.
import type * as PlotModule from '@observablehq/plot';

export type Plotting = typeof PlotModule;

/** The SVG of a plot whose parts `describe` names; `label` is its title for who cannot see it. */
export async function svgFile(
  label: string,
  describe: (plot: Plotting) => PlotModule.PlotOptions,
): Promise<string> {
  const Plot = await import('@observablehq/plot');
  const { parseHTML } = await import('linkedom');
  const svg = Plot.plot({
    document: parseHTML('<html><body></body></html>').document as never,
    width: 820,
    style: { background: 'white' },
    ...describe(Plot),
  });
  svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  return `${svg.outerHTML.replace('>', `><title>${label}</title>`)}\n`;
}
