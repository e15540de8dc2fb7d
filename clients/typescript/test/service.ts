/** Clients of the running service that `APONTA_URL` and `APONTA_TOKEN` name, and the day of the tests. */

import { type ApontaClient, createApontaClient } from "../src/index.js";

/** Organisation, project and activity that `aponta dev` brings along. */
export const ORGANIZATION = "contoso";
export const PROJECT = "Portal do Contribuinte";
export const ACTIVITY = "01932b5c-7c00-7000-8000-000000000001";

/** Returns a client whose token comes from a function, as with an extension's SDK. */
export function connect(): ApontaClient {
  const baseUrl = process.env["APONTA_URL"];
  const token = process.env["APONTA_TOKEN"];
  if (baseUrl === undefined || token === undefined) {
    throw new Error("set APONTA_URL (http://127.0.0.1:8000) and APONTA_TOKEN (a PAT that aponta dev --auth prints)");
  }
  return createApontaClient({ baseUrl, token: () => Promise.resolve(token) });
}

/** Returns the calendar date so many days from now. Dates are text: `Date` would add a time and a zone. */
export function day(offset: number): string {
  return new Date(Date.now() + offset * 86_400_000).toISOString().slice(0, 10);
}
