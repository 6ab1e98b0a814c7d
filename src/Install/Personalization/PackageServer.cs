using System.Net;
using ChannelSdk.Protocol.Errors;

namespace ChannelSdk.Install.Personalization;

/// <summary>How this host talks to the servers of packages and of disks' data, and what their refusals mean.</summary>
internal static class PackageServer
{
    private static readonly TimeSpan s_connectTime = TimeSpan.FromSeconds(30);

    /// <summary>Connects to allowed addresses only, and follows nothing by itself.</summary>
    public static SocketsHttpHandler Handler(PackageUrl url, PackageAddresses addresses) => new()
    {
        // With a proxy of the environment the proxy would choose the address.
        UseProxy = false,
        AllowAutoRedirect = false,
        ConnectTimeout = s_connectTime,
        UseCookies = false,
        AutomaticDecompression = DecompressionMethods.None,
        ConnectCallback = (context, cancel) => addresses.ConnectAsync(url.What, context.DnsEndPoint, cancel),
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
