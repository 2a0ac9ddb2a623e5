const kKnown = new Set([
  "$ref", "type", "properties", "required", "items", "enum", "const", "pattern", "oneOf", "minimum",
  "maximum", "minItems", "maxLength", "description", "examples", "format", "default",
]);

const typeOf = (value) => {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  if (Number.isInteger(value)) return "integer";
  return typeof value;
};

const follow = (document, pointer) =>
  pointer
    .slice(2)
    .split("/")
    .reduce((node, key) => node[key.replaceAll("~1", "/").replaceAll("~0", "~")], document);

/**
 * What in `instance` breaks `schema`, each with its place: as much of JSON Schema as the service's
 * descriptions use. A member that is not declared counts, so that they cannot fall behind.
 * @returns {string[]}
 */
export function violations(document, schema, instance, place = "") {
  const found = [];
  for (const key of Object.keys(schema))
    if (!kKnown.has(key)) throw new Error(`keyword ${key} at ${place}`);
  const check = (rule, value, where) => found.push(...violations(document, rule, value, where));
  if (schema.$ref) check(follow(document, schema.$ref), instance, place);
  if (schema.oneOf) {
    const fits = schema.oneOf.filter((option) => !violations(document, option, instance).length);
    if (fits.length !== 1) found.push(`${place}: matches ${fits.length} of oneOf`);
  }
  const type = typeOf(instance);
  const types = [schema.type ?? []].flat();
  if (types.length && !types.some((one) => one === type || (one === "number" && type === "integer")))
    found.push(`${place}: is ${type}, not ${types}`);
  if (schema.enum && !schema.enum.includes(instance)) found.push(`${place}: ${instance} is none of ${schema.enum}`);
  if ("const" in schema && schema.const !== instance) found.push(`${place}: is not ${schema.const}`);
  if (schema.pattern && type === "string" && !new RegExp(schema.pattern).test(instance))
    found.push(`${place}: ${instance} does not match ${schema.pattern}`);
  if (schema.format === "date-time" && type === "string" && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(instance))
    found.push(`${place}: ${instance} is no UTC time`);
  if (instance < schema.minimum || instance > schema.maximum) found.push(`${place}: out of range`);
  if (type === "string" && instance.length > schema.maxLength) found.push(`${place}: too long`);
  if (type === "array") {
    if (instance.length < schema.minItems) found.push(`${place}: too few`);
    if (schema.items) instance.forEach((item, at) => check(schema.items, item, `${place}/${at}`));
  }
  if (type === "object") {
    for (const key of schema.required ?? [])
      if (!(key in instance)) found.push(`${place}: lacks ${key}`);
    if (schema.properties)
      for (const [key, value] of Object.entries(instance)) {
        if (schema.properties[key]) check(schema.properties[key], value, `${place}/${key}`);
        else found.push(`${place}: ${key} is not declared`);
      }
  }
  return found;
}
