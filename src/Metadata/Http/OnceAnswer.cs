using ChannelSdk.Metadata.Layouts;
using ChannelSdk.Metadata.Guest;

namespace ChannelSdk.Metadata.Http;

/// <summary>
/// An answer with secrets that are given once. They count as given when the answer was written; what is known of its way
/// is told to the host.
/// </summary>
internal static class OnceAnswer
{
    public static async Task WriteAsync(Exchange exchange, SecretAnswer secrets, MetadataServerOptions options)
    {
        var taken = exchange.Instance.Once.Claim(secrets, out var shown);
        exchange.Response.Headers.ETag = shown.QuotedTag;
        exchange.Response.Headers[ResourceAnswers.SecretsHeader] = taken.Count > 0 ? "given" : "given-before";
        if (taken.Count == 0)
        {
            await exchange.AnswerAsync(shown.Body, shown.ContentType).ConfigureAwait(false);
            return;
        }

        var outcome = SecretOutcome.NotSent;
        try
        {
            exchange.Aborted.ThrowIfCancellationRequested();
            var before = exchange.Socket is { } socket ? GuestSocket.Acknowledged(socket) : null;
            try
            {
                await exchange.AnswerAsync(shown.Body, shown.ContentType).ConfigureAwait(false);
            }
            finally
            {
                // A write that fails may have sent a part: then the value is out.
                outcome = exchange.Response.HasStarted ? SecretOutcome.Unconfirmed : SecretOutcome.NotSent;
            }

            if (before is { } known && await GuestSocket.IsAcknowledgedAsync(exchange.Socket!, known + (ulong)shown.Body.Length, options.SlowBodyGrace, exchange.Aborted).ConfigureAwait(false))
            {
                outcome = SecretOutcome.Received;
            }
        }
        finally
        {
            if (outcome == SecretOutcome.NotSent)
            {
                exchange.Instance.Once.Return(taken);
            }

            exchange.Instance.Tell([.. taken.Select(t => t.Key)], outcome);
        }
    }
}
