/*
 * crypto.h
 *		All cryptography; crypto.c is the only file that includes sodium.h.
 *
 * Layer 1.  Sizes are in bytes.  No function raises an error: what can fail
 * returns false.
 */
#ifndef APIKEY_CRYPTO_H
#define APIKEY_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>

#define APIKEY_DIGEST_LEN		32	/* BLAKE2b-256 */
#define APIKEY_HASH128_LEN		16
#define APIKEY_DATA_KEY_LEN		32
#define APIKEY_MASTER_KEY_LEN	32
#define APIKEY_MASTER_ID_LEN	16
#define APIKEY_WRAPPED_LEN		72	/* nonce 24 + data key 32 + tag 16 */
#define APIKEY_SEAL_KEY_LEN		32	/* X25519 public key */
#define APIKEY_SEAL_OVERHEAD	48
#define APIKEY_FACTOR_LEN		20	/* secret of a second factor: 160 bits */
#define APIKEY_FACTOR_BOX_LEN	60	/* nonce 24 + secret 20 + tag 16 */

/* apikey_crypto_init must succeed once per process before anything else. */
extern bool apikey_crypto_init(void);

extern void apikey_random(void *buf, size_t len);

/* overwrites in a way the compiler may not remove */
extern void apikey_wipe(void *buf, size_t len);

/* whether two buffers are equal, in time that depends on len alone */
extern bool apikey_equal(const void *a, const void *b, size_t len);

/*
 * SipHash-2-4 with 128 bits, under a random key that only this process has:
 * finds a text again that it has seen.  Who does not know the key makes two
 * texts meet with a chance of 2^-128 for each try.
 */
#define APIKEY_TAG128_LEN		16
extern void apikey_tag128(const void *text, size_t len,
						  unsigned char tag[APIKEY_TAG128_LEN]);

/* Keyed BLAKE2b-256 of a key text. */
extern void apikey_digest(const unsigned char data_key[APIKEY_DATA_KEY_LEN],
						  const void *text, size_t len,
						  unsigned char digest[APIKEY_DIGEST_LEN]);

/* BLAKE2b-128 without a key: what makes an identity out of its parts. */
extern void apikey_hash128(const void *data, size_t len,
						   unsigned char hash[APIKEY_HASH128_LEN]);

/*
 * What tells one master key from another without telling anything of it: a
 * keyed hash of a fixed label.
 */
extern void apikey_master_id(const unsigned char master[APIKEY_MASTER_KEY_LEN],
							 unsigned char id[APIKEY_MASTER_ID_LEN]);

/* Wrap a data key: random nonce, XChaCha20-Poly1305. */
extern bool apikey_wrap(const unsigned char master[APIKEY_MASTER_KEY_LEN],
						const unsigned char data_key[APIKEY_DATA_KEY_LEN],
						unsigned char out[APIKEY_WRAPPED_LEN]);
extern bool apikey_unwrap(const unsigned char master[APIKEY_MASTER_KEY_LEN],
						  const unsigned char in[APIKEY_WRAPPED_LEN],
						  unsigned char data_key[APIKEY_DATA_KEY_LEN]);

/* Sealed box for an X25519 public key; out takes len + APIKEY_SEAL_OVERHEAD. */
extern bool apikey_seal(const unsigned char public_key[APIKEY_SEAL_KEY_LEN],
						const void *text, size_t len, unsigned char *out);

/*
 * Encrypts the secret of a second factor under a key that is derived from the
 * data key for this alone: no digest of a key text can be it.  owner says
 * whose secret it is, and opens nothing but what was closed for the same one.
 */
extern bool apikey_factor_close(const unsigned char data_key[APIKEY_DATA_KEY_LEN],
								const void *owner, size_t owner_len,
								const unsigned char factor[APIKEY_FACTOR_LEN],
								unsigned char out[APIKEY_FACTOR_BOX_LEN]);
extern bool apikey_factor_open(const unsigned char data_key[APIKEY_DATA_KEY_LEN],
							   const void *owner, size_t owner_len,
							   const unsigned char in[APIKEY_FACTOR_BOX_LEN],
							   unsigned char factor[APIKEY_FACTOR_LEN]);

/*
 * Memory for keys: guard pages, locked if the system allows, left out of core
 * dumps, wiped when freed.  NULL when there is none.
 */
extern void *apikey_secret_alloc(size_t len);
extern void apikey_secret_free(void *buf);

/* after filling: make it read-only; before freeing or changing: writable */
extern void apikey_secret_protect(void *buf, bool read_only);

/* 64 hexadecimal digits, white space around them allowed; constant time */
extern bool apikey_parse_hex_key(const char *text, size_t len,
								 unsigned char out[APIKEY_MASTER_KEY_LEN]);

#endif							/* APIKEY_CRYPTO_H */
