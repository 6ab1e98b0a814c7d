using System.Runtime.CompilerServices;
using ChannelSdk.Channels;
using ChannelSdk.Host.Connection;
using ChannelSdk.Host.Info;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Watch;

namespace ChannelSdk.Host.Watch;

/// <summary>What changes in a guest: addresses, users, disks, the state of its agent.</summary>
public sealed class WatchClient
{
    private static readonly TimeSpan s_mostSettle = TimeSpan.FromMinutes(1);

    private readonly AgentConnection _connection;

    internal WatchClient(AgentConnection connection) => _connection = connection;

    /// <summary>
    /// The state now, and then each change. It goes on when the agent was started again; it ends by an exception when the agent does
    /// not come back within the time for calls.
    /// </summary>
    /// <param name="settle">How long changes are gathered before they are told, up to a minute; null: 200 ms.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <exception cref="ArgumentOutOfRangeException">A time below a millisecond, or above a minute.</exception>
    /// <exception cref="ChannelException">It is refused, or the agent is not there in time.</exception>
    public IAsyncEnumerable<GuestChange> ReadAsync(TimeSpan? settle = null, CancellationToken cancellationToken = default)
    {
        if (settle is { } time && (time < TimeSpan.FromMilliseconds(1) || time > s_mostSettle))
        {
            throw new ArgumentOutOfRangeException(nameof(settle), settle, $"1 ms to {s_mostSettle} are allowed");
        }

        return ReadAsync(new WatchRequest { SettleMs = (uint)(settle?.TotalMilliseconds ?? 0) }, cancellationToken);
    }

    private async IAsyncEnumerable<GuestChange> ReadAsync(WatchRequest request, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            await _connection.ReachAsync(WatchMethods.Watch, cancellationToken).ConfigureAwait(false);
            await using var stream = await _connection.Channel.OpenStreamAsync(
                WatchMethods.Watch, request, new CallOptions(AnswerWithin: _connection.CallTimeout), cancellationToken).ConfigureAwait(false);
            while (await NextAsync(stream, cancellationToken).ConfigureAwait(false) is { } change)
            {
                yield return change;
            }
        }
    }

    /// <summary>The next change; null if the session was lost, and with it the stream.</summary>
    private static async Task<GuestChange?> NextAsync(ChannelStream stream, CancellationToken cancellationToken)
    {
        try
        {
            using var message = await stream.ReadAsync(cancellationToken).ConfigureAwait(false);
            var untrusted = GuestReply.Parse(Protocol.Services.GuestChange.Parser, message, "the watch");
            return new GuestChange(
                untrusted.Network is { } network ? InfoClaims.Of(network) : null,
                untrusted.Users is { } users ? InfoClaims.Of(users.Users) : null,
                untrusted.Disks is { } disks ? InfoClaims.Of(disks.Disks) : null,
                untrusted.State.Length > 0 ? GuestClaim.Text(untrusted.State) : null);
        }
        catch (ChannelException e) when (e.Code == ChannelError.SessionLost)
        {
            return null;
        }
    }
}
