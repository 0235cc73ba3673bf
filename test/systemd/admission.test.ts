/** Under a real systemd: a unit whose limits leave no room for two generations refuses a reload, and says by how much. */
import { describe, expect, test } from 'vitest';
import { labAvailable } from '../support/lab/start-lab.mjs';
import { expectNothingLost } from '../support/service/expectations.js';
import { InstalledService } from '../support/service/installed.js';

const available = labAvailable();
const suite = describe.skipIf(!available.ok);

suite(`under systemd${available.ok ? '' : ` (${available.why})`}`, () => {
  test('a unit without room for two generations serves on, says what is lacking, and goes on when told to', async () => {
    await using service = await InstalledService.start();
    const main = await service.show('MainPID');
    const open = (await service.lab.exec(['ls', `/proc/${main}/fd`])).stdout.trim().split('\n').length;
    // A second generation of two workers would need 20 more.
    await service.lab.exec(['prlimit', '--pid', main, `--nofile=${open + 8}:`]);
    const load = await service.load({ modes: { fresh: { perSecond: 50 } } });
    const refused = await service.reload();
    expect(refused.status).not.toBe(0);
    expect(refused.verdict).toBe(null);
    expect(await service.show('ActiveState')).toBe('active');
    const journal = await service.journal();
    const told = /needs 20 descriptors and has (\d+) descriptors \(RLIMIT_NOFILE, \d+\): (\d+) descriptors are lacking/;
    const [, left, lacking] = told.exec(journal) ?? [];
    expect(Number(left) + Number(lacking), journal).toBe(20);
    expect(await service.journal('BATOND_CODE=NO_ROOM', '-o', 'cat')).toContain('reload refused: there is no room');

    // The next supervisor raises its own limit as far as the unit allows.
    await service.batond('reload', '--force');
    expect((await service.status()).generations.find(({ role }) => role === 'incumbent')?.number).toBe(2);
    expect(await service.journal('FORCE=true', '-o', 'cat')).toContain('reload by');
    expectNothingLost(await load.stop());
    await service.expectNoLeftovers();
  }, 60_000);
});
