using System.Buffers;
using ChannelSdk.Linux.Memory;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Secrets;

/// <summary>
/// Secret bytes, in separate memory pages: not moved or copied by the garbage collector, not
/// swapped (where the process may lock memory), not part of a core dump, overwritten when disposed of. Never a string.
/// </summary>
public sealed class SecretValue : MemoryManager<byte>
{
    /// <summary>Most bytes of one value, so that the parameters of an operation fit into one request.</summary>
    public const int MaxBytes = 65536;

    private readonly int _length;
    private readonly SecretPages _pages;

    private SecretValue(int length)
    {
        _length = length;
        try
        {
            _pages = new SecretPages(length);
        }
        catch (InsufficientMemoryException e)
        {
            throw new ChannelException(ChannelError.ResourceExhausted, ErrorClass.Retry, e.Message, e);
        }
    }

    /// <summary>Bytes in it.</summary>
    public int Length => _length;

    /// <summary>Takes a copy. The caller wipes its own bytes.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: more than <see cref="MaxBytes"/>.</exception>
    public static SecretValue CopyOf(ReadOnlySpan<byte> bytes)
    {
        var result = new SecretValue(Checked(bytes.Length, MaxBytes));
        bytes.CopyTo(result.GetSpan());
        return result;
    }

    /// <summary>Reads a file, pipe or terminal to its end, straight into the value; one line end at the end is left out.</summary>
    /// <param name="source">What is read; it stays the caller's. A stream with its own buffer keeps a copy in it.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/>: it is longer than <see cref="MaxBytes"/>, or empty.</exception>
    public static async Task<SecretValue> ReadAsync(Stream source, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        using var whole = new SecretValue(MaxBytes + 2);
        var length = 0;
        while (length < whole._length && await source.ReadAsync(whole.Memory[length..], cancellationToken).ConfigureAwait(false) is > 0 and var count)
        {
            length += count;
        }

        return whole.WithoutLineEnd(length);
    }

    /// <summary>Several byte strings in one value, for instance a name and another secret.</summary>
    internal static SecretValue Join(params ReadOnlySpan<ReadOnlyMemory<byte>> parts)
    {
        var length = 0;
        foreach (var part in parts)
        {
            length += part.Length;
        }

        var result = new SecretValue(Checked(length, 4 * MaxBytes));
        var rest = result.GetSpan();
        foreach (var part in parts)
        {
            part.Span.CopyTo(rest);
            rest = rest[part.Length..];
        }

        return result;
    }

    /// <summary>A value of so many zeros, to be filled.</summary>
    internal static SecretValue OfLength(int length) => new(Checked(length, 4 * MaxBytes));

    /// <summary>The bytes.</summary>
    /// <exception cref="ObjectDisposedException">They were wiped.</exception>
    public override Span<byte> GetSpan()
    {
        ObjectDisposedException.ThrowIf(_pages.IsClosed, this);
        return _pages.Bytes;
    }

    /// <inheritdoc/>
    public override unsafe MemoryHandle Pin(int elementIndex = 0) => new(_pages.Start + elementIndex, pinnable: this);

    /// <inheritdoc/>
    public override void Unpin()
    {
        // It never moves.
    }

    /// <summary>Says nothing of the content.</summary>
    public override string ToString() => "<redacted>";

    /// <summary>Overwrites the bytes and gives the memory back.</summary>
    public void Dispose() => ((IDisposable)this).Dispose();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing) => _pages.Dispose();

    private SecretValue WithoutLineEnd(int length)
    {
        var text = GetSpan()[..length];
        if (text.EndsWith("\n"u8))
        {
            text = text[..^1];
        }

        return text.IsEmpty
            ? throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, "the secret is empty; it is the whole content of its file or of standard input")
            : CopyOf(text);
    }

    private static int Checked(int length, int most) => length <= most ? length
        : throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"a secret is longer than the {most} bytes that it may have");
}
