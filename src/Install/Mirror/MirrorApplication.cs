using System.Text;
using ChannelSdk.Install.Addresses;
using ChannelSdk.Protocol.Errors;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace ChannelSdk.Install.Mirror;

/// <summary>What Kestrel calls for each request to the proxy. A connection has one request, so each is checked.</summary>
internal sealed class MirrorApplication(MirrorTraffic traffic, ServerAddresses addresses, MirrorTimes times) : IHttpApplication<IFeatureCollection>, IDisposable
{
    /// <summary>Where Kestrel puts a length that it ignores, as there is a transfer coding too.</summary>
    private const string IgnoredLength = "X-Content-Length";

    private readonly MirrorForward _forward = new(traffic, addresses, times);
    private readonly MirrorTunnel _tunnel = new(traffic, addresses, times);

    public IFeatureCollection CreateContext(IFeatureCollection contextFeatures) => contextFeatures;

    public void DisposeContext(IFeatureCollection context, Exception? exception)
    {
    }

    public async Task ProcessRequestAsync(IFeatureCollection context)
    {
        var request = context.GetRequiredFeature<IHttpRequestFeature>();
        var response = context.GetRequiredFeature<IHttpResponseFeature>();
        var connection = context.GetRequiredFeature<MirrorConnection>();
        connection.HasRequest = true;
        response.Headers.Connection = "close";
        try
        {
            if (request.Headers.ContentLength is > 0 || request.Headers.TransferEncoding.Count > 0 || request.Headers.ContainsKey(IgnoredLength))
            {
                throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused, $"a request {request.Method} with a body");
            }

            await (request.Method == HttpMethods.Connect ? ConnectAsync(request.RawTarget, connection) : _forward.RunAsync(context)).ConfigureAwait(false);
        }
        catch (ChannelException e)
        {
            traffic.Fail(e);
            if (response.HasStarted || connection.IsTunnel)
            {
                connection.Abort();
                return;
            }

            await RefuseAsync(response, context.GetRequiredFeature<IHttpResponseBodyFeature>(), e).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            // The guest has gone, or takes nothing.
            connection.Abort();
        }
    }

    public void Dispose() => _forward.Dispose();

    private async Task ConnectAsync(string untrustedTarget, MirrorConnection connection)
    {
        var (origin, server) = await _tunnel.OpenAsync(untrustedTarget, connection.ConnectionClosed).ConfigureAwait(false);
        await using (server.ConfigureAwait(false))
        {
            // From here on the bytes are the tunnel's, and none Kestrel's.
            connection.IsTunnel = true;
            await _tunnel.RunAsync(origin, server, connection, connection.ConnectionClosed).ConfigureAwait(false);
        }

        connection.End();
    }

    private static async Task RefuseAsync(IHttpResponseFeature response, IHttpResponseBodyFeature body, ChannelException e)
    {
        // What the host knows of its own network is for its log alone.
        var (status, text) = e.Code switch
        {
            ChannelError.InvalidArgument => (StatusCodes.Status400BadRequest, "this is no request that the proxy takes"),
            ChannelError.PermissionDenied => (StatusCodes.Status403Forbidden, "the administrator of the host does not allow this"),
            ChannelError.Unsupported => (StatusCodes.Status405MethodNotAllowed, "only GET, HEAD and CONNECT are allowed"),
            ChannelError.DeadlineExceeded => (StatusCodes.Status504GatewayTimeout, "the server did not answer in time"),
            _ => (StatusCodes.Status502BadGateway, "the server cannot be reached, or its answer cannot be read"),
        };
        var bytes = Encoding.ASCII.GetBytes($"{text}; the log of the operation on the host says more\n");
        response.StatusCode = status;
        response.Headers.ContentType = "text/plain";
        response.Headers.ContentLength = bytes.Length;
        if (status == StatusCodes.Status405MethodNotAllowed)
        {
            response.Headers.Allow = "GET, HEAD, CONNECT";
        }

        await body.Writer.WriteAsync(bytes).ConfigureAwait(false);
    }
}
