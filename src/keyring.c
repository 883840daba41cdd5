/*
 * keyring.c
 *		Data keys and the master key that wraps them.
 *
 * Layer 3.  Only this process's memory holds an unwrapped key.  The master key
 * itself is read (file or command) for as long as one wrap or unwrap takes and
 * wiped.  Nothing here writes a table.
 */
#include "postgres.h"

#include <sys/stat.h>
#include <unistd.h>

#include "access/sdir.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "catalog.h"
#include "compat.h"
#include "errors.h"
#include "guc.h"
#include "keyring.h"

/* An unwrapped key of this process and the stored bytes it was made from. */
typedef struct CachedKey
{
	struct CachedKey *next;
	int32		keyring_id;
	ApikeyStoredKey stored;
	unsigned char *key;			/* guarded memory, read-only */
} CachedKey;

static CachedKey *cached_keys = NULL;
uint64		apikey_keyring_serial = 0;

#define MASTER_TEXT_MAX 1024

/*
 * Read all of a file or pipe into buf; returns the length, -1 when it cannot
 * be read or is longer.
 */
static int
read_all(FILE *file, char *buf)
{
	size_t		len = fread(buf, 1, MASTER_TEXT_MAX, file);

	if (ferror(file) || (len == MASTER_TEXT_MAX && fgetc(file) != EOF))
		return -1;
	return (int) len;
}

/*
 * Turn the text of a master key into bytes and wipe the text.  setting is where
 * it came from.
 */
static void
parse_master(char *text, int len, const char *setting,
			 unsigned char master[APIKEY_MASTER_KEY_LEN])
{
	bool		ok = len >= 0 && apikey_parse_hex_key(text, (size_t) len, master);

	apikey_wipe(text, MASTER_TEXT_MAX);
	if (!ok)
		ereport(ERROR,
				(errcode(APIKEY_ERRCODE_MASTER_KEY_MISSING),
				 errmsg("master key from \"%s\" has a wrong form", setting),
				 errdetail("A master key is 64 hexadecimal digits."),
				 errhint("Make one with: openssl rand -hex 32")));
}

static void
read_master_file(const char *setting, const char *path,
				 unsigned char master[APIKEY_MASTER_KEY_LEN])
{
	char		text[MASTER_TEXT_MAX];
	struct stat st;
	FILE	   *file = AllocateFile(path, "r");
	int			len;

	if (file == NULL)
		ereport(ERROR,
				(errcode(APIKEY_ERRCODE_MASTER_KEY_MISSING),
				 errmsg("could not open the master key file of \"%s\": %m", setting),
				 errhint("The server's operating system user must be able to read it.")));
	if (fstat(fileno(file), &st) != 0 || !S_ISREG(st.st_mode))
		ereport(ERROR,
				(errcode(APIKEY_ERRCODE_MASTER_KEY_MISSING),
				 errmsg("master key file of \"%s\" is not a regular file", setting)));
	if ((st.st_mode & (S_IRWXG | S_IRWXO)) != 0)
		ereport(ERROR,
				(errcode(APIKEY_ERRCODE_MASTER_KEY_MISSING),
				 errmsg("master key file of \"%s\" has group or world access", setting),
				 errdetail("Permissions should be u=rw (0600) or less."),
				 errhint("Use chmod 0600 on the file.")));
	len = read_all(file, text);
	FreeFile(file);
	parse_master(text, len, setting, master);
}

static void
read_master_command(const char *setting, const char *command,
					unsigned char master[APIKEY_MASTER_KEY_LEN])
{
	char		text[MASTER_TEXT_MAX];
	FILE	   *pipe = OpenPipeStream(command, "r");
	int			len;
	int			status;

	if (pipe == NULL)
		ereport(ERROR,
				(errcode(APIKEY_ERRCODE_MASTER_KEY_MISSING),
				 errmsg("could not run the master key command of \"%s\": %m", setting)));
	len = read_all(pipe, text);
	status = ClosePipeStream(pipe);
	if (status != 0)
	{
		apikey_wipe(text, sizeof(text));
		ereport(ERROR,
				(errcode(APIKEY_ERRCODE_MASTER_KEY_MISSING),
				 errmsg("master key command of \"%s\" failed", setting),
				 errdetail("Its exit status was %d.", status),
				 errhint("Run it as the server's operating system user to see why.")));
	}
	parse_master(text, len, setting, master);
}

/*
 * Read the configured (or the previous) master key.  Returns false when none
 * is configured; ERROR AK010 when it is but cannot be read.
 */
static bool
read_master(bool previous, unsigned char master[APIKEY_MASTER_KEY_LEN])
{
	const char *file = previous ? apikey_previous_master_key_file : apikey_master_key_file;
	const char *command = previous ? apikey_previous_master_key_command : apikey_master_key_command;

	if (file != NULL && file[0] != '\0')
	{
		read_master_file(previous ? "apikey.previous_master_key_file" : "apikey.master_key_file",
						 file, master);
		return true;
	}
	if (command != NULL && command[0] != '\0')
	{
		read_master_command(previous ? "apikey.previous_master_key_command" : "apikey.master_key_command",
							command, master);
		return true;
	}
	return false;
}

/*
 * Try to open a wrapped key with one master key.  Returns false when none is
 * configured or it is another one.
 */
static bool
unwrap_with(bool previous, const ApikeyStoredKey *stored, unsigned char *key,
			bool *configured)
{
	unsigned char master[APIKEY_MASTER_KEY_LEN];
	unsigned char id[APIKEY_MASTER_ID_LEN];
	bool		opened = false;

	*configured = read_master(previous, master);
	if (!*configured)
		return false;
	apikey_master_id(master, id);
	if (apikey_equal(id, stored->master_id, APIKEY_MASTER_ID_LEN))
		opened = apikey_unwrap(master, stored->material, key);
	apikey_wipe(master, sizeof(master));
	return opened;
}

/*
 * Bring a stored key into key (writable guarded memory) or raise an error.  The
 * previous master key opens it too: while a new one is configured and
 * rewrap_keyring() has not run in this database yet, sessions that begin must
 * verify like those that hold the key already.
 */
static void
open_stored(const ApikeyStoredKey *stored, unsigned char *key)
{
	bool		configured;
	bool		previous_configured = false;

	if (!stored->wrapped)
	{
		memcpy(key, stored->material, APIKEY_DATA_KEY_LEN);
		return;
	}
	if (unwrap_with(false, stored, key, &configured))
		return;
	if (unwrap_with(true, stored, key, &previous_configured))
		return;
	if (configured || previous_configured)
		ereport(ERROR,
				(errcode(APIKEY_ERRCODE_MASTER_KEY_WRONG),
				 errmsg("master key does not open the data key"),
				 errdetail("The data key of this database was wrapped with another master key."),
				 errhint("Set apikey.master_key_file or apikey.master_key_command to the master key it was wrapped with.")));
	ereport(ERROR,
			(errcode(APIKEY_ERRCODE_MASTER_KEY_MISSING),
			 errmsg("master key is missing"),
			 errdetail("The data key of this database is wrapped with a master key."),
			 errhint("Set apikey.master_key_file or apikey.master_key_command and reload the configuration.")));
}

static unsigned char *
alloc_guarded(void)
{
	unsigned char *key = apikey_secret_alloc(APIKEY_DATA_KEY_LEN);

	if (key == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory"),
				 errdetail("Could not allocate guarded memory for a data key.")));
	return key;
}

/* A stored key opened into guarded, read-only memory. */
static unsigned char *
open_guarded(const ApikeyStoredKey *stored)
{
	unsigned char *volatile key = alloc_guarded();

	PG_TRY();
	{
		open_stored(stored, key);
	}
	PG_CATCH();
	{
		apikey_secret_free(key);
		PG_RE_THROW();
	}
	PG_END_TRY();
	apikey_secret_protect(key, true);
	return key;
}

/* Whether a cached key was made from these stored bytes. */
static bool
same_stored(const ApikeyStoredKey *a, const ApikeyStoredKey *b)
{
	return a->wrapped == b->wrapped && a->material_len == b->material_len &&
		apikey_equal(a->material, b->material, (size_t) a->material_len) &&
		apikey_equal(a->master_id, b->master_id, APIKEY_MASTER_ID_LEN);
}

/* The guarded copy of a data key, unwrapping it if this process has not. */
static const unsigned char *
cached_key(int32 keyring_id, const ApikeyStoredKey *stored)
{
	CachedKey  *entry;
	unsigned char *key;

	for (entry = cached_keys; entry != NULL; entry = entry->next)
		if (entry->keyring_id == keyring_id)
			break;
	if (entry != NULL && same_stored(&entry->stored, stored))
		return entry->key;

	key = open_guarded(stored);
	if (entry == NULL)
	{
		/* on failure the guarded page stays behind: 4 kB, once, out of memory */
		entry = MemoryContextAllocZero(TopMemoryContext, sizeof(CachedKey));
		entry->keyring_id = keyring_id;
		entry->next = cached_keys;
		cached_keys = entry;
	}
	else
	{
		apikey_keyring_serial++;
		apikey_secret_free(entry->key);
	}
	entry->key = key;
	entry->stored = *stored;
	return key;
}

/* Copy the stored form out of the current row. */
static void
read_stored(ApikeyScan *scan, ApikeyStoredKey *stored)
{
	bool		isnull;
	bytea	   *material;
	Datum		master_id;

	memset(stored, 0, sizeof(*stored));
	stored->wrapped = DatumGetBool(apikey_scan_get(scan, Anum_keyring_wrapped, &isnull));
	material = DatumGetByteaPP(apikey_scan_get(scan, Anum_keyring_material, &isnull));
	stored->material_len = stored->wrapped ? APIKEY_WRAPPED_LEN : APIKEY_DATA_KEY_LEN;
	if (VARSIZE_ANY_EXHDR(material) != stored->material_len)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("data key has a wrong size")));
	memcpy(stored->material, VARDATA_ANY(material), stored->material_len);
	master_id = apikey_scan_get(scan, Anum_keyring_master_id, &isnull);
	if (!isnull)
	{
		bytea	   *id = DatumGetByteaPP(master_id);

		if (VARSIZE_ANY_EXHDR(id) == APIKEY_MASTER_ID_LEN)
			memcpy(stored->master_id, VARDATA_ANY(id), APIKEY_MASTER_ID_LEN);
	}
}

ApikeyDataKey *
apikey_keyring_load(Snapshot snapshot, int *count)
{
	ApikeyScan	scan;
	int			room = 4;
	ApikeyDataKey *keys = palloc(sizeof(ApikeyDataKey) * room);
	ApikeyStoredKey stored;

	*count = 0;
	apikey_scan_begin(&scan, APIKEY_TABLE_KEYRING, APIKEY_INDEX_KEYRING_PKEY,
					  snapshot, 0, NULL, BackwardScanDirection);
	while (apikey_scan_next(&scan))
	{
		bool		isnull;

		if (!DatumGetBool(apikey_scan_get(&scan, Anum_keyring_active, &isnull)))
			continue;
		if (*count == room)
		{
			room *= 2;
			keys = repalloc(keys, sizeof(ApikeyDataKey) * room);
		}
		read_stored(&scan, &stored);
		keys[*count].keyring_id = DatumGetInt32(apikey_scan_get(&scan, Anum_keyring_keyring_id, &isnull));
		keys[*count].key = cached_key(keys[*count].keyring_id, &stored);
		(*count)++;
	}
	apikey_scan_end(&scan);
	apikey_wipe(&stored, sizeof(stored));
	return keys;
}

/* The stored form of a data key: wrapped if a master key is configured. */
static void
store_key(const unsigned char *key, bool plain, ApikeyStoredKey *stored)
{
	unsigned char master[APIKEY_MASTER_KEY_LEN];
	bool		done;

	memset(stored, 0, sizeof(*stored));
	stored->wrapped = !plain && read_master(false, master);
	if (!stored->wrapped)
	{
		stored->material_len = APIKEY_DATA_KEY_LEN;
		memcpy(stored->material, key, APIKEY_DATA_KEY_LEN);
		return;
	}
	stored->material_len = APIKEY_WRAPPED_LEN;
	apikey_master_id(master, stored->master_id);
	done = apikey_wrap(master, key, stored->material);
	apikey_wipe(master, sizeof(master));
	if (!done)
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not wrap the data key")));
}

void
apikey_keyring_make(ApikeyStoredKey *stored)
{
	unsigned char *volatile key = alloc_guarded();

	apikey_random(key, APIKEY_DATA_KEY_LEN);
	PG_TRY();
	{
		store_key(key, false, stored);
	}
	PG_FINALLY();
	{
		apikey_secret_free(key);
	}
	PG_END_TRY();
}

void
apikey_keyring_rewrap(const ApikeyStoredKey *old, bool plain, ApikeyStoredKey *stored)
{
	unsigned char *volatile key = alloc_guarded();

	PG_TRY();
	{
		open_stored(old, key);
		store_key(key, plain, stored);
	}
	PG_FINALLY();
	{
		apikey_secret_free(key);
	}
	PG_END_TRY();
}
