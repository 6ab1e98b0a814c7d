using ChannelSdk.Metadata.Layouts;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace ChannelSdk.Metadata.Http;

/// <summary>
/// What Kestrel calls for each request: finds the handler. A GET of the present tree runs through without a wait or a
/// task of its own; everything else is in <see cref="ResourceAnswers"/> and <see cref="GuestPosts"/>.
/// </summary>
internal sealed class MetadataApplication(MetadataServerOptions options) : IHttpApplication<Exchange>
{
    private const string TokenPath = "latest/api/token";
    private readonly ResourceAnswers _answers = new(options);
    private readonly GuestPosts _posts = new(options);

    public Exchange CreateContext(IFeatureCollection contextFeatures) => new(contextFeatures);

    public void DisposeContext(Exchange context, Exception? exception)
    {
    }

    public Task ProcessRequestAsync(Exchange context)
    {
        try
        {
            var task = Dispatch(context);
            return task.IsCompletedSuccessfully ? Task.CompletedTask : GuardAsync(context, task);
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            return GuardAsync(context, Task.FromException(e));
        }
    }

    private Task Dispatch(Exchange exchange)
    {
        exchange.Instance.Count.Request();
        if (exchange.Request.Headers.TransferEncoding is { Count: > 0 } coding && !string.Equals(coding, "chunked", StringComparison.OrdinalIgnoreCase))
        {
            // RFC 9112, 6.1: what it means is not known here, so neither is where the body ends.
            exchange.Response.Headers.Connection = "close";
            return exchange.AnswerAsync(StatusCodes.Status501NotImplemented);
        }

        exchange.Connection.SetHops(0);
        var path = exchange.Request.Path.AsSpan();
        Span<char> buffer = stackalloc char[CanonicalPath.MaxCanonicalLength];
        var length = CanonicalPath.Write(path, buffer);
        if (length < 0)
        {
            return exchange.AnswerAsync(StatusCodes.Status404NotFound);
        }

        ReadOnlySpan<char> canonical = buffer[..length];
        var wait = exchange.Instance.Budget.Charge();
        if (canonical is TokenPath)
        {
            var isLatest = path.TrimStart('/').StartsWith(ApiVersions.Latest, StringComparison.Ordinal);
            return wait == 0 ? TokenAnswers.Answer(exchange, isLatest, options.TokenHops) : LateTokenAsync(exchange, isLatest);
        }

        if (wait > 0)
        {
            return LimitedAsync(exchange, wait);
        }

        return _posts.Find(canonical) is { } post ? post(exchange)
            : exchange.Instance.Tree is { } tree ? _answers.Answer(exchange, tree, canonical) : _answers.AnswerLaterAsync(exchange, canonical.ToString());
    }

    // By cloud-init's source any refusal of the token ends the boot's search, so above the rate it only comes later.
    private async Task LateTokenAsync(Exchange exchange, bool isLatest)
    {
        await Task.Delay(options.LimitedDelay, options.Time, exchange.Aborted).ConfigureAwait(false);
        await TokenAnswers.Answer(exchange, isLatest, options.TokenHops).ConfigureAwait(false);
    }

    private async Task LimitedAsync(Exchange exchange, int seconds)
    {
        exchange.Instance.Count.Limited();
        await Task.Delay(options.LimitedDelay, options.Time, exchange.Aborted).ConfigureAwait(false);
        exchange.Response.Headers.RetryAfter = seconds.ToString(System.Globalization.CultureInfo.InvariantCulture);
        await exchange.AnswerAsync(StatusCodes.Status429TooManyRequests).ConfigureAwait(false);
    }

    // No request, and no failure while it is served, ends in an unhandled exception or in 500.
    private static async Task GuardAsync(Exchange exchange, Task task)
    {
        try
        {
            await task.ConfigureAwait(false);
        }
        catch (BadHttpRequestException e) when (!exchange.Response.HasStarted)
        {
            exchange.Response.Headers.Connection = "close";
            await exchange.AnswerAsync(e.StatusCode).ConfigureAwait(false);
        }
        catch (Exception e) when (e is OperationCanceledException or ConnectionResetException or ConnectionAbortedException)
        {
            exchange.Abort();
        }
        catch (Exception e) when (e is not OutOfMemoryException)
        {
            exchange.Instance.Fail(exchange.Request.Path, e);
            if (exchange.Response.HasStarted)
            {
                exchange.Abort();
                return;
            }

            exchange.Response.Headers.RetryAfter = "1";
            await exchange.AnswerAsync(StatusCodes.Status503ServiceUnavailable).ConfigureAwait(false);
        }
    }
}
