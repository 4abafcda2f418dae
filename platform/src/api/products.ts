// Tested by platform/test/api/api.test.ts

import type { FastifyInstance } from 'fastify';
import type { ProductOptions } from '../devices/products';
import type { DeviceKey } from '../types/device';
import type { Product } from '../types/product';
import { deviceParams, productBody, productParams, switchBody, tokenParams } from './schemas';
import type { Served } from './served';

type Key = Pick<Product, 'productKey'>;

/** Products, and what their devices registered. */
export function addProducts(app: FastifyInstance, { products, registrations }: Served): void {
  app.get('/api/products', async () => ({ products: products.list().map(withoutSecret) }));
  app.post<{ Body: ProductOptions }>(
    '/api/products',
    { schema: { body: productBody } },
    async (request, reply) => reply.code(201).send(withoutSecret(await products.add(request.body))),
  );
  const params = productParams;
  app.get<{ Params: Key }>('/api/products/:productKey', { schema: { params } }, async (request) =>
    withoutSecret(products.expect(request.params.productKey)),
  );
  // The one answer that carries the secret.
  app.get<{ Params: Key }>(
    '/api/products/:productKey/secret',
    { schema: { params } },
    async (request) => {
      const { productKey, productSecret } = products.expect(request.params.productKey);
      return { productKey, productSecret };
    },
  );
  app.patch<{ Params: Key; Body: Pick<Product, 'dynamicRegistration'> }>(
    '/api/products/:productKey',
    { schema: { params, body: switchBody } },
    async ({ params: { productKey }, body }) =>
      withoutSecret(await products.setDynamicRegistration(productKey, body.dynamicRegistration)),
  );
  app.get<{ Params: DeviceKey }>(
    '/api/devices/:productKey/:deviceName/tokens',
    { schema: { params: deviceParams } },
    async (request) => ({ tokens: registrations.tokens(request.params) }),
  );
  app.post<{ Params: DeviceKey & { readonly clientId: string } }>(
    '/api/devices/:productKey/:deviceName/tokens/:clientId/keep',
    { schema: { params: tokenParams } },
    async (request, reply) => {
      await registrations.keepToken(request.params, request.params.clientId);
      return reply.code(204).send();
    },
  );
}

function withoutSecret({ productSecret: _, ...product }: Product): Omit<Product, 'productSecret'> {
  return product;
}
