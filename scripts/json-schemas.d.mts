export type JsonSchema = Readonly<Record<string, unknown>>;
export function jsonSchemas(): Record<string, JsonSchema>;
