/** Checks what a worker says of the app's checks: the app has made up the names, the facts and the errors. */
import { type Check, isCount, isListOf, isMapOf, isNullOr, isNumber, isOneOf, isShape } from '../shape.js';
import { CHECK_NAME, type CheckResult, MAX_CHECKS, MAX_ERROR_LENGTH } from './checks.js';
import type { FromWorker, Holdings } from './messages.js';

const isName: Check = (value) => typeof value === 'string' && CHECK_NAME.test(value);

/** No longer than a packet; who shows them shortens them. */
const isFact: Check = (value) =>
  value === null || typeof value === 'string' || typeof value === 'boolean' || isNumber(value);

const isError: Check = (value) => typeof value === 'string' && value.length <= MAX_ERROR_LENGTH;

const isResult = isShape<CheckResult>({
  name: isName,
  status: isOneOf('ok', 'degraded', 'down'),
  ms: isNumber,
  facts: isMapOf(isFact),
  error: isNullOr(isError),
});

const isFew =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.length <= MAX_CHECKS && isListOf(check)(value);

/** As many as the app may have gauges, and Node kinds of resources. */
const isCounts: Check = (value) =>
  isMapOf(isNumber, (name) => typeof name === 'string' && name.length <= 64)(value) &&
  Object.keys(value as object).length <= MAX_CHECKS;

export const isHoldings = isShape<Holdings>({ resources: isCounts, gauges: isCounts, listeners: isCounts });

type Checked = Extract<FromWorker, { type: 'checked' }>;
type Checks = Extract<FromWorker, { type: 'checks' }>;

export const isChecks = isShape<Omit<Checks, 'type'>>({ names: isFew(isName) });
export const isChecked = isShape<Omit<Checked, 'type'>>({ id: isCount, results: isFew(isResult) });
