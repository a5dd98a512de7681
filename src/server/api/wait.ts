/** Longest wait of one request for a result, s; the client asks again. Below the 60 s after which common proxies give up. */
export const WAIT_S_MAX = 50
