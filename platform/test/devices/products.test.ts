import { ManualClock } from '../../src/base/clock';
import { Products } from '../../src/devices/products';
import { MemoryStore } from '../support/memory-store';

const store = new MemoryStore();

async function open(): Promise<Products> {
  const products = new Products(store, new ManualClock(7));
  await products.load();
  return products;
}

test('a product has a secret, and outlives a restart', async () => {
  const made = await (await open()).add({ productKey: 'pk' });
  expect(made).toEqual({
    productKey: 'pk',
    productSecret: expect.stringMatching(/^[0-9a-f]{16}$/),
    authentication: 'secret',
    dynamicRegistration: false,
    createdAt: 7,
  });
  expect((await open()).get('pk')).toEqual(made);
});

test('its switch outlives a restart too', async () => {
  await (await open()).setDynamicRegistration('pk', true);
  expect((await open()).list()).toMatchObject([{ productKey: 'pk', dynamicRegistration: true }]);
});

test.each([
  [{ productKey: 'pk' }, 'ERR_PRODUCT_EXISTS'],
  [{ productKey: 'a b' }, 'ERR_INVALID_ARGUMENT'],
  [{ productKey: 'x', productSecret: '' }, 'ERR_INVALID_ARGUMENT'],
  [{ productKey: 'x', authentication: 'none' as 'secret' }, 'ERR_INVALID_ARGUMENT'],
  [{ productKey: 'x', dynamicRegistration: 1 as never }, 'ERR_INVALID_ARGUMENT'],
])('%j is refused with %s', async (options, code) => {
  await expect((await open()).add(options)).rejects.toMatchObject({ code });
});

test('what cannot be kept does not show', async () => {
  const products = await open();
  store.refusal = new Error('full');
  await expect(products.add({ productKey: 'late' })).rejects.toThrow('full');
  store.refusal = undefined;
  expect(products.get('late')).toBeUndefined();
  await expect(products.setDynamicRegistration('late', true)).rejects.toMatchObject({
    code: 'ERR_PRODUCT_UNKNOWN',
  });
  await products.add({ productKey: 'late' });
});
