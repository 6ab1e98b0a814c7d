using System.Buffers;
using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Text;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>
/// The beginning of what a program wrote to one stream, outside of the heap, which has a hard limit. The pump's thread adds,
/// the client's asks and releases.
/// </summary>
internal sealed class QgaOutput
{
    // As much as qemu-ga keeps of one stream.
    internal const int MaxKept = 16 << 20;

    // Of all programs of all clients.
    private const int MaxKeptInAll = 48 << 20;

    // A multiple of three, so that the parts' base64 is the whole's.
    private const int Block = 96 << 10;
    private static int s_kept;
    private readonly Lock _lock = new();
    private unsafe byte* _bytes;
    private int _capacity;
    private int _length;
    private bool _isCut;
    private bool _isReleased;

    /// <summary>What is kept so far; for one thread.</summary>
    internal unsafe ReadOnlySpan<byte> Kept => new(_bytes, _length);

    /// <summary>Keeps what is written, until the first that finds no place: nothing is kept behind a hole.</summary>
    public unsafe void Add(ReadOnlySpan<byte> more)
    {
        lock (_lock)
        {
            if (_isReleased || _isCut || more.IsEmpty)
            {
                return;
            }

            var take = Math.Min(more.Length, MaxKept - _length);
            if (_length + take > _capacity && !Grow(Math.Min(MaxKept, Math.Max(_length + take, _capacity * 2))))
            {
                take = _capacity - _length;
            }

            _isCut = take < more.Length;
            more[..take].CopyTo(new Span<byte>(_bytes + _length, take));
            _length += take;
        }
    }

    /// <summary>Sends it as members of an object that has begun.</summary>
    /// <param name="call">Whose reply it is.</param>
    /// <param name="name">"out" or "err".</param>
    public async ValueTask SendAsync(QgaCall call, string name)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(Block / 3 * 4);
        try
        {
            var done = 0;
            int count;
            while ((count = Copy(done, buffer.AsSpan(0, Block))) > 0)
            {
                if (done == 0)
                {
                    await call.SendAsync(Encoding.ASCII.GetBytes($", \"{name}-data\": \"")).ConfigureAwait(false);
                }

                done += count;
                _ = Base64.EncodeToUtf8InPlace(buffer, count, out var written);
                await call.SendAsync(buffer.AsMemory(0, written)).ConfigureAwait(false);
            }

            if (done > 0)
            {
                await call.SendAsync(Encoding.ASCII.GetBytes($"\", \"{name}-truncated\": {(_isCut ? "true" : "false")}")).ConfigureAwait(false);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Gives the memory back.</summary>
    public unsafe void Release()
    {
        lock (_lock)
        {
            Interlocked.Add(ref s_kept, -_capacity);
            NativeMemory.Free(_bytes);
            _bytes = null;
            (_capacity, _length, _isReleased) = (0, 0, true);
        }
    }

    private unsafe int Copy(int from, Span<byte> to)
    {
        lock (_lock)
        {
            var count = Math.Min(to.Length, _length - from);
            if (count <= 0)
            {
                return 0;
            }

            new ReadOnlySpan<byte>(_bytes + from, count).CopyTo(to);
            return count;
        }
    }

    private unsafe bool Grow(int wanted)
    {
        var more = wanted - _capacity;
        if (Interlocked.Add(ref s_kept, more) > MaxKeptInAll)
        {
            Interlocked.Add(ref s_kept, -more);
            return false;
        }

        try
        {
            _bytes = (byte*)NativeMemory.Realloc(_bytes, (nuint)wanted);
        }
        catch (OutOfMemoryException)
        {
            Interlocked.Add(ref s_kept, -more);
            return false;
        }

        _capacity = wanted;
        return true;
    }
}
