using ChannelSdk.Metadata.Layouts;
using ChannelSdk.Metadata.Model;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace ChannelSdk.Metadata.Http;

/// <summary>GET and HEAD of what the tree holds: tokens, secrets, tags, waiting for change.</summary>
internal sealed class ResourceAnswers(MetadataServerOptions options)
{
    /// <summary>What became of the secrets that an answer could have: given, given-before, withheld.</summary>
    public const string SecretsHeader = "X-Channel-Secrets";

    private const string Allowed = "GET, HEAD";

    public Task Answer(Exchange exchange, ResourceTree tree, ReadOnlySpan<char> path)
    {
        if (tree.Find(path) is not { } resource)
        {
            return exchange.AnswerAsync(StatusCodes.Status404NotFound);
        }

        if (!exchange.IsRead)
        {
            return exchange.NotAllowedAsync(Allowed);
        }

        var hasToken = TokenAnswers.HasToken(exchange);
        if (hasToken is null || (hasToken == false && tree.Snapshot.Metadata.Ec2.Tokens == TokenUse.Required && IsEc2(path)))
        {
            return exchange.AnswerAsync(StatusCodes.Status401Unauthorized);
        }

        if (exchange.Request.QueryString.Length > 1 && ChangeQuery.Parse(exchange.Request.QueryString, options.LongestPoll) is var query && query.IsWait)
        {
            return query.IsValid ? AnswerChangeAsync(exchange, path.ToString(), query, hasToken.Value) : exchange.AnswerAsync(StatusCodes.Status400BadRequest);
        }

        return AnswerNow(exchange, resource, hasToken.Value);
    }

    /// <summary>For an instance without metadata: they may be on their way, and a client that is refused now may not ask again.</summary>
    public async Task AnswerLaterAsync(Exchange exchange, string path)
    {
        using var timer = new CancellationTokenSource(options.StartHold, options.Time);
        using var wait = CancellationTokenSource.CreateLinkedTokenSource(exchange.Aborted, timer.Token);
        try
        {
            while (true)
            {
                if (exchange.Instance.Tree is { } tree)
                {
                    await Answer(exchange, tree, path).ConfigureAwait(false);
                    return;
                }

                await exchange.Instance.WaitChangeAsync(null, wait.Token).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException) when (!exchange.Aborted.IsCancellationRequested)
        {
            await exchange.AnswerAsync(StatusCodes.Status404NotFound).ConfigureAwait(false);
        }
    }

    private static bool IsEc2(ReadOnlySpan<char> path) => path.StartsWith(ApiVersions.Latest, StringComparison.Ordinal);

    private Task AnswerNow(Exchange exchange, Resource resource, bool hasToken)
    {
        if (resource.File is { } file)
        {
            return FileAnswer.WriteAsync(exchange, file, resource.ContentType);
        }

        var shown = Variant(exchange, resource, hasToken);
        var headers = exchange.Response.Headers;
        headers.ETag = shown.QuotedTag;
        var known = exchange.Request.Headers.IfNoneMatch;
        if (known.Count > 0 && EntityTags.Match(known, shown.Tag))
        {
            return exchange.AnswerAsync(StatusCodes.Status304NotModified);
        }

        if (resource.Secrets is { } secrets)
        {
            var mayHave = MayHaveSecrets(exchange, hasToken);
            if (mayHave && secrets.IsOnce && !exchange.IsHead)
            {
                return OnceAnswer.WriteAsync(exchange, secrets, options);
            }

            headers[SecretsHeader] = mayHave ? "given" : "withheld";
        }

        return exchange.AnswerAsync(shown.Body, shown.ContentType);
    }

    // Returns when the resource's tag is another than the asked one, when it is gone, or when the time is over: then as it is.
    private async Task AnswerChangeAsync(Exchange exchange, string path, ChangeQuery query, bool hasToken)
    {
        using var timer = new CancellationTokenSource(query.Timeout, options.Time);
        using var wait = CancellationTokenSource.CreateLinkedTokenSource(exchange.Aborted, timer.Token);
        var known = query.LastTag;
        while (true)
        {
            if (exchange.Instance.Tree is not { } tree || tree.Find(path) is not { } resource)
            {
                await exchange.AnswerAsync(StatusCodes.Status404NotFound).ConfigureAwait(false);
                return;
            }

            var tag = Variant(exchange, resource, hasToken).Tag;
            known ??= tag;
            if (resource.File is not null || wait.IsCancellationRequested || tag != known)
            {
                exchange.Aborted.ThrowIfCancellationRequested();
                await AnswerNow(exchange, resource, hasToken).ConfigureAwait(false);
                return;
            }

            try
            {
                await exchange.Instance.WaitChangeAsync(tree, wait.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (!exchange.Aborted.IsCancellationRequested)
            {
                // The time is over, which is seen above.
            }
        }
    }

    // Without a token, or by way of a proxy, a request sees that there are secrets and not what they are.
    private static bool MayHaveSecrets(Exchange exchange, bool hasToken) => hasToken && !TokenAnswers.IsForwarded(exchange);

    private static Resource Variant(Exchange exchange, Resource resource, bool hasToken) =>
        resource.Secrets is not { } secrets || !MayHaveSecrets(exchange, hasToken) ? resource
        : secrets.IsOnce ? exchange.Instance.Once.Peek(secrets) : secrets.Full;
}
