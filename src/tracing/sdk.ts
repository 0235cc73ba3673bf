/** What the official SDK is made of, as far as it is needed, as npm wants it; all of it is optional. */
export const SDK_PACKAGES: readonly string[] = [
  '@opentelemetry/api',
  '@opentelemetry/sdk-trace-base',
  '@opentelemetry/resources',
  '"@opentelemetry/exporter-trace-otlp-http@<0.300"',
];

/** The exit status of what sends where one of them is missing. */
export const NO_SDK = 3;
