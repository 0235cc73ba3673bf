// Medians and quantiles: a machine that does something else for a moment moves a mean, and not these.

export const median = (values) => quantile(values, 0.5);

/** With a straight line between neighbours. */
export function quantile(values, share) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (sorted.length - 1) * share;
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
}
