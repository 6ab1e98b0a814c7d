using System.Net;
using ChannelSdk.Install.Addresses;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Personalization;

/// <summary>How this host talks to the servers of packages and of disks' data, and what their refusals mean.</summary>
internal static class PackageServer
{
    private static readonly TimeSpan s_connectTime = TimeSpan.FromSeconds(30);

    /// <summary>Connects to allowed addresses only, and follows nothing by itself.</summary>
    public static SocketsHttpHandler Handler(ServerAddresses addresses) => new()
    {
        // With a proxy of the environment the proxy would choose the address.
        UseProxy = false,
        AllowAutoRedirect = false,
        ConnectTimeout = s_connectTime,
        UseCookies = false,
        // Traces of the host are not for a server.
        ActivityHeadersPropagator = null,
        // What is not wanted of an answer is not read: its connection is closed.
        MaxResponseDrainSize = 0,
        AutomaticDecompression = DecompressionMethods.None,
        ConnectCallback = async (context, cancel) => await addresses.ConnectAsync(context.DnsEndPoint, cancel).ConfigureAwait(false),
    };

    /// <summary>The error for an answer that is no success.</summary>
    public static ChannelException Refused(PackageUrl url, HttpStatusCode status) => new(
        status is HttpStatusCode.NotFound or HttpStatusCode.Gone ? ChannelError.NotFound
            : status is HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden ? ChannelError.PermissionDenied : ChannelError.TransportFailed,
        ErrorClass.Refused, $"the server answered {(int)status} ({status}) for {url.What} {url}");

    /// <summary>The error for a server that gives no answer.</summary>
    public static ChannelException Unreachable(PackageUrl url, HttpRequestException e) => e.InnerException as ChannelException
        ?? new ChannelException(ChannelError.TransportFailed, ErrorClass.Retry, $"the server of {url.What} {url} cannot be reached: {e.HttpRequestError}", e);
}
