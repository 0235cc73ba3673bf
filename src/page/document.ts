/** A page as a whole: one file, nothing of which is anywhere else. */
import { Html, html } from './html.js';
import { STYLE } from './style.js';

/** Where nothing says a policy in a header: nothing is fetched, and nothing runs. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/** A page that is a file. */
export function document(title: string, body: Html): string {
  return page(
    html`<meta http-equiv="Content-Security-Policy" content="${POLICY}"/>
<title>${title}</title>`,
    body,
  );
}

/** `head` is what stands in it beside what every page has. */
export function page(head: Html, body: Html): string {
  return html`${new Html('<!DOCTYPE html>')}
<html lang="en" xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<meta name="referrer" content="no-referrer"/>
${head}
<style>${new Html(STYLE)}</style>
</head>
<body>
${body}
</body>
</html>
`.text;
}

/** Numbers beside each other, each with its name. */
export function facts(
  all: readonly { readonly name: string; readonly value: Html | string; readonly more?: string | null }[],
): Html {
  return html`<dl class="facts">
${all.map(
  ({
    name,
    value,
    more = null,
  }) => html`<div><dt>${name}</dt><dd>${value}${more === null ? null : html`<small>${more}</small>`}</dd></div>
`,
)}</dl>`;
}

export const badge = (kind: 'good' | 'bad' | 'warn' | 'quiet', text: string): Html =>
  html`<span class="badge ${kind}">${text}</span>`;
