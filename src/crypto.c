/*
 * crypto.c
 *		All cryptography of the extension, on top of libsodium.
 *
 * Layer 1.  Keys live in memory of sodium_malloc(): guard pages around it,
 * MADV_DONTDUMP survives fork(), the lock does not, so memory is allocated in
 * the process that uses it and never in the postmaster.
 */
#include "crypto.h"

#include <sodium.h>
#include <string.h>

static const unsigned char wrap_label[] = "apikey data key v1";
static const unsigned char id_label[] = "apikey master key id v1";

/* 16 bytes, a parameter of the hash: no hash without it has the same results */
static const unsigned char factor_personal[crypto_generichash_blake2b_PERSONALBYTES + 1] =
"apikey factor v1";

bool
apikey_crypto_init(void)
{
	/* 0: done now, 1: was done before, -1: no usable random source */
	return sodium_init() >= 0;
}

void
apikey_random(void *buf, size_t len)
{
	randombytes_buf(buf, len);
}

void
apikey_wipe(void *buf, size_t len)
{
	sodium_memzero(buf, len);
}

bool
apikey_equal(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}

void
apikey_tag128(const void *text, size_t len, unsigned char tag[APIKEY_TAG128_LEN])
{
	/* made at the first use, so never before a fork */
	static unsigned char process_key[crypto_shorthash_siphashx24_KEYBYTES];
	static bool made = false;

	if (!made)
	{
		randombytes_buf(process_key, sizeof(process_key));
		made = true;
	}
	crypto_shorthash_siphashx24(tag, text, len, process_key);
}

void
apikey_digest(const unsigned char data_key[APIKEY_DATA_KEY_LEN],
			  const void *text, size_t len, unsigned char digest[APIKEY_DIGEST_LEN])
{
	(void) crypto_generichash(digest, APIKEY_DIGEST_LEN, text, len, data_key,
							  APIKEY_DATA_KEY_LEN);
}

void
apikey_hash128(const void *data, size_t len, unsigned char hash[APIKEY_HASH128_LEN])
{
	(void) crypto_generichash(hash, APIKEY_HASH128_LEN, data, len, NULL, 0);
}

void
apikey_master_id(const unsigned char master[APIKEY_MASTER_KEY_LEN],
				 unsigned char id[APIKEY_MASTER_ID_LEN])
{
	(void) crypto_generichash(id, APIKEY_MASTER_ID_LEN, id_label,
							  sizeof(id_label) - 1, master, APIKEY_MASTER_KEY_LEN);
}

bool
apikey_wrap(const unsigned char master[APIKEY_MASTER_KEY_LEN],
			const unsigned char data_key[APIKEY_DATA_KEY_LEN],
			unsigned char out[APIKEY_WRAPPED_LEN])
{
	unsigned char *nonce = out;
	unsigned char *box = out + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;

	randombytes_buf(nonce, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
	return crypto_aead_xchacha20poly1305_ietf_encrypt(box, NULL, data_key,
													  APIKEY_DATA_KEY_LEN, wrap_label,
													  sizeof(wrap_label) - 1, NULL,
													  nonce, master) == 0;
}

bool
apikey_unwrap(const unsigned char master[APIKEY_MASTER_KEY_LEN],
			  const unsigned char in[APIKEY_WRAPPED_LEN],
			  unsigned char data_key[APIKEY_DATA_KEY_LEN])
{
	const unsigned char *nonce = in;
	const unsigned char *box = in + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;

	return crypto_aead_xchacha20poly1305_ietf_decrypt(data_key, NULL, NULL, box,
													  APIKEY_WRAPPED_LEN -
													  crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
													  wrap_label, sizeof(wrap_label) - 1,
													  nonce, master) == 0;
}

bool
apikey_seal(const unsigned char public_key[APIKEY_SEAL_KEY_LEN],
			const void *text, size_t len, unsigned char *out)
{
	return crypto_box_seal(out, text, len, public_key) == 0;
}

static void
factor_key(const unsigned char data_key[APIKEY_DATA_KEY_LEN],
		   unsigned char key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES])
{
	(void) crypto_generichash_blake2b_salt_personal(key,
													crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
													NULL, 0, data_key,
													APIKEY_DATA_KEY_LEN, NULL,
													factor_personal);
}

bool
apikey_factor_close(const unsigned char data_key[APIKEY_DATA_KEY_LEN],
					const void *owner, size_t owner_len,
					const unsigned char factor[APIKEY_FACTOR_LEN],
					unsigned char out[APIKEY_FACTOR_BOX_LEN])
{
	unsigned char key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
	unsigned char *box = out + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
	int			rc;

	factor_key(data_key, key);
	randombytes_buf(out, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
	rc = crypto_aead_xchacha20poly1305_ietf_encrypt(box, NULL, factor,
													APIKEY_FACTOR_LEN, owner, owner_len,
													NULL, out, key);
	sodium_memzero(key, sizeof(key));
	return rc == 0;
}

bool
apikey_factor_open(const unsigned char data_key[APIKEY_DATA_KEY_LEN],
				   const void *owner, size_t owner_len,
				   const unsigned char in[APIKEY_FACTOR_BOX_LEN],
				   unsigned char factor[APIKEY_FACTOR_LEN])
{
	unsigned char key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
	const unsigned char *box = in + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES;
	int			rc;

	factor_key(data_key, key);
	rc = crypto_aead_xchacha20poly1305_ietf_decrypt(factor, NULL, NULL, box,
													APIKEY_FACTOR_BOX_LEN -
													crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
													owner, owner_len, in, key);
	sodium_memzero(key, sizeof(key));
	return rc == 0;
}

void *
apikey_secret_alloc(size_t len)
{
	return sodium_malloc(len);
}

void
apikey_secret_free(void *buf)
{
	sodium_free(buf);
}

void
apikey_secret_protect(void *buf, bool read_only)
{
	if (read_only)
		(void) sodium_mprotect_readonly(buf);
	else
		(void) sodium_mprotect_readwrite(buf);
}

bool
apikey_parse_hex_key(const char *text, size_t len,
					 unsigned char out[APIKEY_MASTER_KEY_LEN])
{
	size_t		written = 0;

	while (len > 0 && strchr(" \t\r\n", text[len - 1]) != NULL && text[len - 1] != '\0')
		len--;
	while (len > 0 && strchr(" \t\r\n", text[0]) != NULL && text[0] != '\0')
	{
		text++;
		len--;
	}
	if (len != 2 * APIKEY_MASTER_KEY_LEN)
		return false;
	return sodium_hex2bin(out, APIKEY_MASTER_KEY_LEN, text, len, NULL, &written,
						  NULL) == 0 && written == APIKEY_MASTER_KEY_LEN;
}
