import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock';
import { invalid, PlatformError } from '../base/errors';
import type { Store } from '../store/store';
import type { Product, ProductAuthentication } from '../types/product';
import { checkProductKey, checkSecret } from './names';

/** What `products.add` takes. */
export interface ProductOptions {
  readonly productKey: string;
  /** Default: 16 characters from the system's random generator. */
  readonly productSecret?: string;
  /** For ever. Default `'secret'`. */
  readonly authentication?: ProductAuthentication;
  /** Default false. */
  readonly dynamicRegistration?: boolean;
}

/**
 * The products that have a record. A device needs none: without one its product has no secret, and
 * so no dynamic registration, and its devices sign in by their own secrets.
 */
export class Products {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #products = new Map<string, Product>();
  /** Those whose record is being committed. */
  readonly #adding = new Set<string>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  /** @internal */
  async load(): Promise<void> {
    for (const product of await this.#store.load<Product>('product')) {
      this.#products.set(product.productKey, product);
    }
  }

  /**
   * Makes a product. Rejects with ERR_PRODUCT_EXISTS, ERR_INVALID_ARGUMENT, ERR_STATE_FULL, ERR_STATE.
   */
  async add(options: ProductOptions): Promise<Product> {
    const productKey = checkProductKey(options.productKey);
    const productSecret = options.productSecret ?? randomBytes(8).toString('hex');
    checkSecret('productSecret', productSecret);
    const { authentication = 'secret', dynamicRegistration = false } = options;
    if (authentication !== 'secret' && authentication !== 'x509') {
      throw invalid("authentication must be 'secret' or 'x509'");
    }
    checkSwitch(dynamicRegistration);
    if (this.#products.has(productKey) || this.#adding.has(productKey)) {
      throw new PlatformError('ERR_PRODUCT_EXISTS', `there is a product ${productKey} already`);
    }
    this.#adding.add(productKey);
    try {
      return await this.#commit({
        productKey,
        productSecret,
        authentication,
        dynamicRegistration,
        createdAt: this.#clock.now(),
      });
    } finally {
      this.#adding.delete(productKey);
    }
  }

  get(productKey: string): Product | undefined {
    return this.#products.get(productKey);
  }

  list(): Product[] {
    return [...this.#products.values()];
  }

  /** Turns dynamic registration on or off. Rejects with ERR_PRODUCT_UNKNOWN, ERR_STATE_FULL, ERR_STATE. */
  async setDynamicRegistration(productKey: string, isOn: boolean): Promise<Product> {
    checkSwitch(isOn);
    return this.#commit({ ...this.expect(productKey), dynamicRegistration: isOn });
  }

  /** @internal */
  expect(productKey: string): Product {
    const product = this.#products.get(productKey);
    if (product !== undefined) return product;
    throw new PlatformError('ERR_PRODUCT_UNKNOWN', `there is no product ${productKey}`);
  }

  async #commit(product: Product): Promise<Product> {
    const { productKey } = product;
    await this.#store.commit([{ kind: 'product', key: productKey, record: product }]);
    this.#products.set(productKey, product);
    return product;
  }
}

function checkSwitch(isOn: unknown): void {
  if (typeof isOn !== 'boolean') throw invalid('dynamicRegistration must be true or false');
}
