"use strict";

const byId = (id) => document.getElementById(id);
const EXAMPLES = {
  python3: 'print("hello")\n',
  nodejs: 'console.log("hello");\n',
  bash: "echo hello\n",
};

/** JSON of this origin, or null where there is none. */
async function optional(path) {
  try {
    const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(5000) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

function showEnvironment(env, build) {
  const badge = byId("badge");
  if (env?.environment) {
    badge.textContent = env.environment;
    badge.dataset.environment = env.environment;
    badge.hidden = false;
  }
  const version = build?.version ?? env?.version;
  byId("build").textContent = version ? `version ${version}${build?.commit ? `, commit ${build.commit.slice(0, 12)}` : ""}` : "";
}

async function showLanguages(api) {
  const answer = await fetch(`${api}/api/v1/languages`, { signal: AbortSignal.timeout(10000) });
  const { languages } = await answer.json();
  const select = byId("language");
  select.replaceChildren(...languages.map((name) => new Option(name, name)));
  const fill = () => {
    const source = byId("source");
    if (source.value === "" || Object.values(EXAMPLES).includes(source.value)) {
      source.value = EXAMPLES[select.value] ?? "";
    }
  };
  select.addEventListener("change", fill);
  fill();
}

async function run(api) {
  const button = byId("run");
  button.disabled = true;
  byId("stdout").textContent = "";
  byId("error").textContent = "";
  try {
    const answer = await fetch(`${api}/api/v1/run`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ source: byId("source").value, language: byId("language").value }),
      signal: AbortSignal.timeout(35000),
    });
    const result = await answer.json();
    byId("stdout").textContent = result.stdout ?? "";
    byId("error").textContent = [result.stderr, result.error].filter(Boolean).join("\n");
    const took = byId("duration");
    if (took && result.duration_ms !== undefined) took.textContent = `${result.duration_ms} ms`;
  } catch (problem) {
    byId("error").textContent = `The runner at ${api || location.origin} does not answer: ${problem.message}`;
  } finally {
    button.disabled = false;
  }
}

async function start() {
  const [env, build] = await Promise.all([optional("env.json"), optional("build.json")]);
  const api = (env?.apiUrl ?? "").replace(/\/+$/, "");
  showEnvironment(env, build);
  byId("form").addEventListener("submit", (event) => {
    event.preventDefault();
    run(api);
  });
  byId("source").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) byId("form").requestSubmit();
  });
  try {
    await showLanguages(api);
  } catch (problem) {
    byId("error").textContent = `The runner at ${api || location.origin} does not answer: ${problem.message}`;
  }
}

start();
