using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Transports.Abstractions;

/// <summary>An endpoint whose links work on memory of the peer's, which another process can map in the place of this one.</summary>
public interface IMappedEndpoint : ITransportEndpoint
{
    /// <summary>The peer, by construction of the endpoint.</summary>
    PeerIdentity Peer { get; }

    /// <summary>Looks for the peer, as <see cref="ITransportEndpoint.OpenAsync"/> does, and ends what is left of the link before.</summary>
    /// <param name="cancellationToken">Ends the wait for it.</param>
    /// <returns>What the process makes the link of, by the transport's own code.</returns>
    /// <exception cref="ChannelException">As of <see cref="ITransportEndpoint.OpenAsync"/>, and where such links cannot be given to another process (<see cref="ChannelError.Unsupported"/>).</exception>
    ValueTask<LinkParts> OpenPartsAsync(CancellationToken cancellationToken);
}

/// <summary>What another process makes a link of.</summary>
/// <param name="files">Open files, which are this object's from now on.</param>
/// <param name="description">What they are, in the transport's own form.</param>
/// <param name="sharedBytes">Bytes of the peer's memory that can be mapped by them.</param>
public sealed class LinkParts(IReadOnlyList<SafeFd> files, ReadOnlyMemory<byte> description, long sharedBytes) : IDisposable
{
    /// <summary>Open files.</summary>
    public IReadOnlyList<SafeFd> Files => files;

    /// <summary>What they are, in the transport's own form.</summary>
    public ReadOnlyMemory<byte> Description => description;

    /// <summary>Bytes of the peer's memory that can be mapped by them.</summary>
    public long SharedBytes => sharedBytes;

    /// <summary>Closes the files here.</summary>
    public void Dispose()
    {
        foreach (var file in files)
        {
            file.Dispose();
        }
    }
}
