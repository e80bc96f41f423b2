// Asks the server. Every function gives its answer or throws an Error whose
// message is for the person at the page.

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer. Is `trainer serve` still running?");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) {
    const error = new Error(answer.error ?? `The server answers ${response.status}.`);
    error.status = response.status;
    throw error;
  }
  return answer;
}

// What there is to search in.
export const about = () => ask("/api/about");

// The nearest items of a picture, a Blob, treated as the server names it.
export function search(code, k, picture, treatment) {
  const query = new URLSearchParams({ code, k, as: treatment });
  return ask(`/api/search?${query}`, { method: "POST", body: picture });
}

export function enrol(name, picture, treatment) {
  const query = new URLSearchParams({ name, as: treatment });
  return ask(`/api/enrol?${query}`, { method: "POST", body: picture });
}

export const remove = (id) => ask(`/api/items/${id}`, { method: "DELETE" });

export const thumbnail = (id, start) => `/thumbnail/${id}?start=${start}`;

export const galleryFile = (code) => `/api/gallery?code=${code}`;
