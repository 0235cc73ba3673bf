/** Shares, which are kept in whole thousandths, as people read them: "0.1 %", "25 %". */
export function formatShare(thousandths: number): string {
  return `${thousandths / 10} %`;
}
