"use strict";

// Swagger UI reads OpenAPI 3.0; the document is 3.1, where "may be null" is one of several types.
function older(node) {
  if (Array.isArray(node)) return node.map(older);
  if (node === null || typeof node !== "object") return node;
  const copy = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, older(value)]));
  if (!Array.isArray(copy.anyOf)) return copy;
  const others = copy.anyOf.filter((each) => each.type !== "null");
  if (others.length === copy.anyOf.length) return copy;
  delete copy.anyOf;
  return others.length === 1 ? { ...others[0], ...copy, nullable: true } : { ...copy, anyOf: others, nullable: true };
}

async function show() {
  const answer = await fetch("/openapi.json", { credentials: "same-origin" });
  const spec = { ...older(await answer.json()), openapi: "3.0.3" };
  SwaggerUIBundle({
    spec,
    dom_id: "#api",
    deepLinking: true,
    validatorUrl: null, // it would send the document to a server on the internet
    presets: [SwaggerUIBundle.presets.apis],
  });
}

show().catch(() => {
  document.getElementById("api").textContent = "openapi.json could not be read.";
});
