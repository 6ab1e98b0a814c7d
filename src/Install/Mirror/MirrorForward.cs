using System.Buffers;
using System.Collections.Frozen;
using System.Net;
using System.Net.Http.Headers;
using ChannelSdk.Install.Addresses;
using ChannelSdk.Protocol.Errors;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace ChannelSdk.Install.Mirror;

/// <summary>Requests that the proxy makes for a guest, GET and HEAD by http, and their answers as they come.</summary>
internal sealed class MirrorForward : IDisposable
{
    private const int PieceBytes = 64 << 10;
    private const int MaxAnswerHead = 16;

    private static readonly FrozenSet<string> s_toServer = FrozenSet.ToFrozenSet(
    [
        "Accept", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "If-Match", "If-Modified-Since", "If-None-Match",
        "If-Range", "If-Unmodified-Since", "Pragma", "Range", "User-Agent",
    ], StringComparer.OrdinalIgnoreCase);

    private static readonly FrozenSet<string> s_toGuest = FrozenSet.ToFrozenSet(
    [
        "Accept-Ranges", "Age", "Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Range", "Content-Type",
        "ETag", "Expires", "Last-Modified", "Location", "Retry-After", "Vary", "WWW-Authenticate",
    ], StringComparer.OrdinalIgnoreCase);

    private readonly MirrorTraffic _traffic;
    private readonly MirrorTimes _times;
    private readonly HttpMessageInvoker _client;

    public MirrorForward(MirrorTraffic traffic, ServerAddresses addresses, MirrorTimes times)
    {
        (_traffic, _times) = (traffic, times);
        _client = new HttpMessageInvoker(new SocketsHttpHandler
        {
            // With a proxy of the environment the proxy would choose the address.
            UseProxy = false,
            // The guest follows, and asks here again.
            AllowAutoRedirect = false,
            UseCookies = false,
            AutomaticDecompression = DecompressionMethods.None,
            ConnectTimeout = times.Connect,
            // Traces of the host are not for a mirror.
            ActivityHeadersPropagator = null,
            MaxResponseHeadersLength = MaxAnswerHead,
            // A connection serves one request: its address was checked for that.
            PooledConnectionLifetime = TimeSpan.Zero,
            ConnectCallback = async (context, cancel) => await addresses.ConnectAsync(context.DnsEndPoint, cancel).ConfigureAwait(false),
        });
    }

    /// <summary>Serves a request.</summary>
    /// <exception cref="ChannelException">It is refused, or the server does not answer it.</exception>
    public async Task RunAsync(IFeatureCollection features)
    {
        var request = features.GetRequiredFeature<IHttpRequestFeature>();
        if (request.Method != HttpMethods.Get && request.Method != HttpMethods.Head)
        {
            throw new ChannelException(ChannelError.Unsupported, ErrorClass.Refused, $"a request {request.Method} is not passed on; GET, HEAD and CONNECT are");
        }

        var target = MirrorTarget.OfUrl(request.RawTarget) ?? throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused,
            $"the target of a request is no plain http URL: {request.RawTarget}");
        var origin = _traffic.Enter(target, isTunnel: false);
        using var message = ToMessage(request, target);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(features.GetRequiredFeature<IHttpRequestLifetimeFeature>().RequestAborted);
        using var answer = await AskAsync(message, target, patience).ConfigureAwait(false);
        WriteHead(features.GetRequiredFeature<IHttpResponseFeature>(), answer);
        if (request.Method != HttpMethods.Head)
        {
            await CopyAsync(answer, origin, target, features.GetRequiredFeature<IHttpResponseBodyFeature>(), patience).ConfigureAwait(false);
        }
    }

    public void Dispose() => _client.Dispose();

    private static HttpRequestMessage ToMessage(IHttpRequestFeature request, MirrorTarget target)
    {
        // As it was checked, and not as it would be written in another way.
        var url = new Uri($"http://{target.Host}:{target.Port}{target.Reference}", new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true });
        var message = new HttpRequestMessage(new HttpMethod(request.Method), url) { Version = HttpVersion.Version11, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        message.Headers.ConnectionClose = true;
        foreach (var (name, values) in request.Headers)
        {
            if (s_toServer.Contains(name))
            {
                message.Headers.TryAddWithoutValidation(name, (IEnumerable<string?>)values);
            }
        }

        return message;
    }

    private async Task<HttpResponseMessage> AskAsync(HttpRequestMessage message, MirrorTarget target, CancellationTokenSource patience)
    {
        patience.CancelAfter(_times.Answer);
        HttpResponseMessage answer;
        try
        {
            answer = await _client.SendAsync(message, patience.Token).ConfigureAwait(false);
        }
        catch (HttpRequestException e)
        {
            throw e.InnerException as ChannelException ?? Failed(target, $"cannot be asked: {e.HttpRequestError}", e);
        }
        catch (OperationCanceledException e)
        {
            throw Late(target, e);
        }

        if ((int)answer.StatusCode is >= 200 and <= 599)
        {
            return answer;
        }

        answer.Dispose();
        throw Failed(target, $"answered {(int)answer.StatusCode}", null);
    }

    private static void WriteHead(IHttpResponseFeature response, HttpResponseMessage answer)
    {
        response.StatusCode = (int)answer.StatusCode;
        foreach (var headers in (HttpHeadersNonValidated[])[answer.Headers.NonValidated, answer.Content.Headers.NonValidated])
        {
            foreach (var (name, values) in headers)
            {
                if (s_toGuest.Contains(name) && !values.Any(static value => value.Any(char.IsControl)))
                {
                    response.Headers[name] = values.ToArray();
                }
            }
        }

        if (answer.StatusCode is not (HttpStatusCode.NoContent or HttpStatusCode.ResetContent))
        {
            response.Headers.ContentLength = answer.Content.Headers.ContentLength;
        }
    }

    private async Task CopyAsync(HttpResponseMessage answer, MirrorOrigin origin, MirrorTarget target, IHttpResponseBodyFeature body, CancellationTokenSource patience)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(PieceBytes);
        try
        {
            using var content = await answer.Content.ReadAsStreamAsync(patience.Token).ConfigureAwait(false);
            while (true)
            {
                patience.CancelAfter(_times.Idle);
                var count = await ReadAsync(content, buffer, target, patience.Token).ConfigureAwait(false);
                if (count == 0)
                {
                    return;
                }

                _traffic.Charge(origin, count);
                await body.Writer.WriteAsync(buffer.AsMemory(0, count), patience.Token).ConfigureAwait(false);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async ValueTask<int> ReadAsync(Stream content, byte[] buffer, MirrorTarget target, CancellationToken cancellationToken)
    {
        try
        {
            return await content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            throw Failed(target, "ended in the middle of its answer", e);
        }
        catch (OperationCanceledException e)
        {
            throw Late(target, e);
        }
    }

    private static ChannelException Failed(MirrorTarget target, string what, Exception? inner) =>
        new(ChannelError.TransportFailed, ErrorClass.Retry, $"the server {target.Host}:{target.Port} {what}", inner);

    private static ChannelException Late(MirrorTarget target, Exception inner) =>
        new(ChannelError.DeadlineExceeded, ErrorClass.Retry, $"the server {target.Host}:{target.Port} did not answer in time, or the guest gave up", inner);
}
