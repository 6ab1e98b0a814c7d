namespace ChannelSdk.Channels;

/// <summary>
/// A message of a stream in pooled memory. Disposing of it, or of any copy, gives the memory back once, and ends all copies;
/// disposing again does nothing.
/// </summary>
public readonly struct ReceivedMessage : IDisposable
{
    private readonly MessageOwner? _owner;
    private readonly int _version;

    internal ReceivedMessage(MessageOwner owner, int version) => (_owner, _version) = (owner, version);

    /// <summary>The peer has ended its direction; there is no message.</summary>
    public bool IsEnd => _owner is null;

    /// <summary>The message's bytes. What was got from here must not be used after the message was disposed of.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    public ReadOnlyMemory<byte> Memory => _owner is null ? default : _owner.Read(_version);

    /// <summary>The message's bytes, as <see cref="Memory"/>.</summary>
    /// <exception cref="ObjectDisposedException">It was disposed of.</exception>
    public ReadOnlySpan<byte> Span => Memory.Span;

    /// <inheritdoc/>
    public void Dispose() => _owner?.Return(_version);
}
