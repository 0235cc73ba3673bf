/** Before the first test, however the tests were started: what is missing or older than its sources is made. */
import { setUp } from '../../scripts/setup.mjs';

export const setup = () => setUp();
