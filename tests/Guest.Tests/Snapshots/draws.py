# Draws a UUID and the random bytes of a TLS client's first message again and again, from a context that was made at the start. OpenSSL
# has random numbers of its own, which it seeds once: a new generation of the guest has to be mixed into them.
import mmap, os, ssl, struct, time, uuid

page = mmap.mmap(os.open("/run/channelsdk/generation", os.O_RDONLY), 4096, mmap.MAP_SHARED, mmap.PROT_READ)


def generation():
    while True:
        count = struct.unpack_from("<I", page, 12)[0]
        value = page[104:128]
        if count % 2 == 0 and struct.unpack_from("<I", page, 12)[0] == count:
            return value


context = ssl.create_default_context()
known = generation()
while True:
    if generation() != known:
        known = generation()
        ssl.RAND_add(os.urandom(32), 32)
    sent = ssl.MemoryBIO()
    try:
        context.wrap_bio(ssl.MemoryBIO(), sent, server_hostname="host").do_handshake()
    except ssl.SSLWantReadError:
        pass
    # Record header 5, handshake header 4, version 2, then 32 random bytes (RFC 8446, section 4.1.2).
    drawn = f"{known.hex()} {uuid.uuid4().hex} {sent.read()[11:43].hex()}"
    # What the guest of before has drawn in part is in each copy: it is not used.
    if generation() == known:
        print(drawn, flush=True)
    time.sleep(0.01)
