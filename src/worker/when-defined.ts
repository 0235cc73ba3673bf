/**
 * Tells when a builtin module is loaded that the app may never load: loading `node:tls` for everybody would cost each
 * start milliseconds, and Node announces the loading of its own modules to nobody.
 *
 * Such a module makes a class that inherits from one we have, and assigns its methods. An accessor of a method's name on
 * the prototype inherited from gets that assignment (ECMA-262, OrdinarySet), once: it defines the property as the
 * assignment would have, takes itself away and calls back. Until then `typeof object[name]` says what it always said.
 */
export function whenDefined(base: object, name: string, callback: (prototype: object) => void): void {
  Object.defineProperty(base, name, {
    configurable: true,
    enumerable: false,
    get: () => undefined,
    set(this: object, value: unknown) {
      Reflect.deleteProperty(base, name);
      Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
      callback(this);
    },
  });
}

/** Whether Node has loaded one of its own modules already, by the name of its source file. */
export function isLoaded(name: string): boolean {
  const { moduleLoadList } = process as unknown as { moduleLoadList?: readonly string[] };
  return moduleLoadList?.includes(`NativeModule ${name}`) ?? false;
}
