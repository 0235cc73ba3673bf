export function sanitizersMissing(): string | null;
export function buildSanitized(): void;
export function sanitizedEnvironment(): Record<string, string | undefined>;
