using ChannelSdk.GuestAgent.Policy;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Services;
using ChannelSdk.Services.Info;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Info;

/// <summary>info.Ping and info.Get. Thread-safe.</summary>
/// <param name="facts">Where the figures come from.</param>
/// <param name="methods">The methods that the policy allows at the time of a request.</param>
/// <param name="policy">The rules that hold at the time of a request.</param>
/// <param name="time">The wall clock.</param>
internal sealed class InfoService(GuestFacts facts, Func<IEnumerable<string>> methods, Func<PolicyRules> policy, TimeProvider time) : IAgentService
{
    private const int MaxPingPayload = 4096;

    // Each call has a thread, so there is one at a time.
    private readonly Lock _lock = new();
    private Task<GuestInfo> _last = Task.FromResult(new GuestInfo());

    /// <inheritdoc/>
    public void Register(ServiceGate gate)
    {
        gate.Unary(InfoMethods.Ping, (request, _) => ValueTask.FromResult(Ping(request)));
        gate.Unary(InfoMethods.Get, (_, _) => GetAsync());
    }

    /// <summary>The payload and the guest's time.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.InvalidArgument"/> for a payload over 4096 bytes.</exception>
    public PingReply Ping(PingRequest request)
    {
        if (request.Payload.Length > MaxPingPayload)
        {
            throw new ChannelException(ChannelError.InvalidArgument, ErrorClass.Refused,
                $"a ping's payload has {request.Payload.Length} bytes; at most {MaxPingPayload} are allowed (measure.Echo takes more)");
        }

        var ticks = time.GetUtcNow().Ticks - DateTimeOffset.UnixEpoch.Ticks;
        return new PingReply { Payload = request.Payload, GuestTimeUnixNs = ticks * TimeSpan.NanosecondsPerTick };
    }

    /// <summary>Everything that the guest says of itself, on a thread that may be kept waiting.</summary>
    public ValueTask<GuestInfo> GetAsync()
    {
        lock (_lock)
        {
            return new ValueTask<GuestInfo>(_last = GetAsync(_last));
        }
    }

    private async Task<GuestInfo> GetAsync(Task before)
    {
        await before.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return await OwnThread.RunAsync(Get).ConfigureAwait(false);
    }

    private GuestInfo Get()
    {
        var info = facts.Collect();
        info.Methods.AddRange(methods());
        var rules = policy();
        info.Policy = new PolicyInfo
        {
            Readable = { rules.Readable },
            Writable = { rules.Writable },
            Commands =
            {
                rules.Commands.Select(static rule => new CommandInfo { Program = rule.Program, Arguments = { rule.Arguments }, Environment = { rule.Environment } }),
            },
        };
        return info;
    }
}
