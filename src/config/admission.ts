/** What the keys of admission come to, and what they are where an older record lacks them. */
import type { FreezeWindow } from '../admission/freeze.js';
import type { AdmissionConfig, Config } from './config.js';
import { settingsOfDefaults, type Values, valuesOf } from './settings.js';

export function buildAdmission(values: Values): AdmissionConfig {
  return {
    state: values['upgrade.admission'] === 'on',
    minIntervalMs: values['upgrade.min_interval'],
    freeze: (values['upgrade.freeze'] ?? []) as readonly FreezeWindow[],
  };
}

export function admissionOf({ admission }: Config): AdmissionConfig {
  return admission ?? buildAdmission(valuesOf(settingsOfDefaults()));
}
