/**
 * Typed client of API Aponta: openapi-fetch over the types of the OpenAPI document, with the caller's token and the
 * problem documents of the service.
 */

import createFetchClient, { type Client, type ClientOptions } from "openapi-fetch";

import type { components, paths } from "./schema.js";

export type { components, operations, paths } from "./schema.js";

/** Schemas of the document by name: `Schemas["ApontamentoResponse"]`. */
export type Schemas = components["schemas"];

/** Body of every error, `application/problem+json`. */
export type Problem = Schemas["Problem"];

/** A token, or a function that returns one; the function runs before each request. */
export type TokenSource = string | (() => string | Promise<string>);

export interface ApontaOptions extends Omit<ClientOptions, "baseUrl"> {
  /** Origin of the service without `/api/v1`, such as `http://127.0.0.1:8000`. */
  baseUrl: string;
  /** PAT, access token or app token of the caller. `aponta dev` without `--auth` needs none. */
  token?: TokenSource;
}

/** Client with one method for each HTTP method; paths, parameters, bodies and answers are typed. */
export type ApontaClient = Client<paths>;

/** Returns a client of the service at `baseUrl`. */
export function createApontaClient(options: ApontaOptions): ApontaClient {
  const { baseUrl, token, ...more } = options;
  const client = createFetchClient<paths>({ ...more, baseUrl: baseUrl.replace(/\/+$/, "") });
  if (token !== undefined) {
    client.use({
      async onRequest({ request }) {
        const value = typeof token === "string" ? token : await token();
        request.headers.set("Authorization", `Bearer ${value}`);
        return request;
      },
    });
  }
  return client;
}

/** Returns a new `Idempotency-Key`. A request that is sent again repeats the key of the first try. */
export function idempotencyKey(): string {
  return `"${crypto.randomUUID()}"`;
}

/** Returns `true` if a value is a problem document of the service. */
export function isProblem(value: unknown): value is Problem {
  if (typeof value !== "object" || value === null) {
    return false;
  }
  const found = value as Record<string, unknown>;
  return typeof found["code"] === "string" && typeof found["detail"] === "string" && typeof found["status"] === "number";
}

/** Error with the problem document of an answer; `problem.detail` is a Portuguese sentence for a person. */
export class ProblemError extends Error {
  constructor(readonly problem: Problem) {
    super(`${problem.status} ${problem.code}: ${problem.detail}`);
    this.name = "ProblemError";
  }
}

/** Answer of a call: `data` after success, else `error`. */
type Answer<T> = { data?: T; error?: unknown; response: Response };

/** Returns the data of a call and its `ETag`, or throws a {@link ProblemError}. */
export async function unwrap<T>(call: Promise<Answer<T>>): Promise<{ data: T; etag: string | null }> {
  const { data, error, response } = await call;
  if (response.ok) {
    // The answer 204 has no body.
    return { data: data as T, etag: response.headers.get("ETag") };
  }
  if (isProblem(error)) {
    throw new ProblemError(error);
  }
  throw new Error(`${response.status} without a problem document`);
}
