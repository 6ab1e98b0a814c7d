using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.Xen.Store;

/// <summary>The answer to a request of xenstore.</summary>
/// <param name="operation">The operation that was asked for, or <see cref="StoreOperation.Error"/>.</param>
/// <param name="payload">What it carries, a character for each byte.</param>
internal sealed class StoreReply(StoreOperation operation, string payload)
{
    /// <summary>What a request led to.</summary>
    /// <param name="asked">What was asked for.</param>
    /// <param name="request">The payload of the request, which begins with the node's path and a zero.</param>
    /// <returns>The payload; null if the node is not there.</returns>
    /// <exception cref="ChannelException">Denied (<see cref="ChannelError.EndpointDenied"/>) or refused (<see cref="ChannelError.TransportFailed"/>).</exception>
    internal string? Result(StoreOperation asked, string request)
    {
        if (operation == asked)
        {
            return payload;
        }

        var error = payload.TrimEnd('\0');
        // xenstored does not tell a domain what is not there of nodes that it may not read.
        return error == "ENOENT" || (asked == StoreOperation.Read && error == "EACCES") ? null : throw Refused(asked, request, error);
    }

    private static ChannelException Refused(StoreOperation asked, string request, string error)
    {
        var path = request[..request.IndexOf('\0', StringComparison.Ordinal)];
        var isDenied = error is "EACCES" or "EPERM";
        return new ChannelException(isDenied ? ChannelError.EndpointDenied : ChannelError.TransportFailed, isDenied ? ErrorClass.Refused : ErrorClass.Retry,
            $"xenstore refused {asked} of {path}: {EndpointUri.Printable(error)}"
            + (isDenied ? "; a domain may write below its own /local/domain/ID/data, and read what was opened to it" : ""));
    }
}
