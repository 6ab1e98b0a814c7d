using System.Collections.Frozen;
using System.Globalization;
using ChannelSdk.Metadata.Layouts;
using ChannelSdk.Metadata.Guest;
using Microsoft.AspNetCore.Http;

namespace ChannelSdk.Metadata.Http;

/// <summary>What a guest sends, and what it drains: the pipe and its progress, below /ganeti/, and OpenStack's password.</summary>
internal sealed class GuestPosts
{
    private const int MaxProgress = 8 * 1024;
    // As Nova has it: four pieces of 255.
    private const int MaxPassword = 1020;

    private readonly MetadataServerOptions _options;
    private readonly FrozenDictionary<string, Func<Exchange, Task>>.AlternateLookup<ReadOnlySpan<char>> _byPath;

    public GuestPosts(MetadataServerOptions options)
    {
        _options = options;
        _byPath = new Dictionary<string, Func<Exchange, Task>>(StringComparer.Ordinal)
        {
            ["ganeti/latest/read"] = Read,
            ["openstack/latest/password"] = PasswordAsync,
            ["ganeti/latest/write"] = e => PostAsync(e, options.WriteBytes, WriteAsync),
            ["ganeti/latest/progress"] = e => PostAsync(e, MaxProgress, (x, body) => ProgressAsync(x, ProgressReader.FromJson(body, _options.Time.GetUtcNow()))),
            ["ganeti/latest/phone_home"] = e => PostAsync(e, MaxProgress, (x, body) => ProgressAsync(x, ProgressReader.FromForm(body, _options.Time.GetUtcNow()))),
        }.ToFrozenDictionary(StringComparer.Ordinal).GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public Func<Exchange, Task>? Find(ReadOnlySpan<char> canonicalPath) => _byPath.TryGetValue(canonicalPath, out var post) ? post : null;

    private static Task Read(Exchange exchange)
    {
        if (!exchange.IsRead)
        {
            return exchange.NotAllowedAsync("GET, HEAD");
        }

        if (!exchange.IsHead)
        {
            return exchange.AnswerAsync(exchange.Instance.Pipe.DrainForGuest(), Resource.Binary);
        }

        // Reading is draining, so HEAD says how much there is and takes nothing.
        exchange.Response.Headers.ContentType = Resource.Binary;
        exchange.Response.Headers.ContentLength = exchange.Instance.Pipe.WaitingForGuest;
        return Task.CompletedTask;
    }

    /// <summary>Nova's password: posted once, encrypted for the user's key, and read by clients that ask whether it is there.</summary>
    private static async Task PasswordAsync(Exchange exchange)
    {
        if (exchange.IsRead)
        {
            await exchange.AnswerAsync(exchange.Instance.PostedPassword, Resource.Text).ConfigureAwait(false);
            return;
        }

        if (exchange.Request.Method != HttpMethods.Post)
        {
            await exchange.NotAllowedAsync("GET, HEAD, POST").ConfigureAwait(false);
            return;
        }

        var body = await exchange.ReadBodyAsync(MaxPassword).ConfigureAwait(false);
        await exchange.AnswerAsync(body.Length == 0 ? StatusCodes.Status400BadRequest
            : exchange.Instance.TryPostPassword(body) ? StatusCodes.Status200OK : StatusCodes.Status409Conflict).ConfigureAwait(false);
    }

    private static async Task PostAsync(Exchange exchange, int most, Func<Exchange, byte[], Task> take)
    {
        if (exchange.Request.Method != HttpMethods.Post)
        {
            await exchange.NotAllowedAsync("POST").ConfigureAwait(false);
            return;
        }

        await take(exchange, await exchange.ReadBodyAsync(most).ConfigureAwait(false)).ConfigureAwait(false);
    }

    private static Task WriteAsync(Exchange exchange, byte[] body)
    {
        if (exchange.Instance.Pipe.TryAddFromGuest(body))
        {
            return exchange.AnswerAsync(StatusCodes.Status200OK);
        }

        // Full until the host reads: nothing of it was taken, so the guest sends it again.
        exchange.Response.Headers.RetryAfter = "1";
        return exchange.AnswerAsync(StatusCodes.Status429TooManyRequests);
    }

    private static Task ProgressAsync(Exchange exchange, ProgressEvent? progress)
    {
        if (progress is null)
        {
            return exchange.AnswerAsync(StatusCodes.Status400BadRequest);
        }

        exchange.Instance.Progress.Add(progress);
        return exchange.AnswerAsync(StatusCodes.Status200OK);
    }
}
