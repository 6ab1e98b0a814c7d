using ChannelSdk.Protocol;
using ChannelSdk.Runtime;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Policy;

/// <summary>
/// The way by which the agent's services are registered: each call passes the policy before its handler runs, and a
/// privileged one is noted.
/// </summary>
/// <param name="registry">Where the methods go.</param>
/// <param name="policy">What is asked at each call.</param>
internal sealed class ServiceGate(ServiceRegistry registry, AgentPolicy policy)
{
    private readonly List<(string Name, Func<string?> Denial)> _methods = [];
    private readonly Dictionary<string, Action<string>> _entries = new(StringComparer.Ordinal);

    /// <summary>Why calls that are not registered for it must wait at present, or null: asked at each call.</summary>
    public Func<string?> Restriction { get; set; } = static () => null;

    /// <summary>The rules that hold now.</summary>
    public PolicyRules Policy => policy.Current;

    /// <summary>The methods that may be called now, in the order of their registration.</summary>
    public IEnumerable<string> Allowed => _methods
        .Where(method => method.Denial() is null && policy.Current.AllowsMethod(method.Name)).Select(static method => method.Name);

    /// <summary>Why a method may not be called now, or null; what restricts all calls for a time is left out.</summary>
    /// <param name="method">A registered method.</param>
    public string? WhyNot(string method)
    {
        foreach ((string name, Func<string?> denial) in _methods)
        {
            if (name == method)
            {
                return denial() ?? (policy.Current.AllowsMethod(name) ? null : $"the image's policy does not allow {name}");
            }
        }
        return $"there is no method {method}";
    }

    /// <summary>Lets a call through that came another way than the channel, under the same rules.</summary>
    /// <param name="method">The registered method that does the same.</param>
    /// <param name="way">How it came, for the record.</param>
    /// <exception cref="ChannelException">It is refused.</exception>
    public void Pass(string method, string way) => _entries[method](way);

    /// <summary>Registers a unary method.</summary>
    /// <param name="method">The method.</param>
    /// <param name="handler">What serves it.</param>
    /// <param name="denial">Why it may not be called now besides the policy, or null.</param>
    public void Unary<TRequest, TReply>(
        RpcMethod<TRequest, TReply> method, Func<TRequest, CallContext, ValueTask<TReply>> handler, Func<string?>? denial = null)
        where TRequest : class, IMessage<TRequest>, new()
        where TReply : class, IMessage<TReply>, new()
    {
        Action<string> enter = Note(method.Name, method.IsPrivileged, method.IsServedWhileFrozen, denial);
        registry.Unary(method, (request, context) =>
        {
            enter("");
            return handler(request, context);
        });
    }

    /// <summary>Registers a streaming method; the parameters are those of <see cref="Unary"/>.</summary>
    public void Stream<TRequest>(
        StreamMethod<TRequest> method, Func<TRequest, ChannelStream, CallContext, ValueTask> handler, Func<string?>? denial = null)
        where TRequest : class, IMessage<TRequest>, new()
    {
        Action<string> enter = Note(method.Name, method.IsPrivileged, method.IsServedWhileFrozen, denial);
        registry.Stream(method, (request, stream, context) =>
        {
            enter("");
            return handler(request, stream, context);
        });
    }

    private Action<string> Note(string name, bool privileged, bool always, Func<string?>? denial)
    {
        denial ??= static () => null;
        _methods.Add((name, denial));
        return _entries[name] = way => Enter(name, privileged, denial, always, way);
    }

    private void Enter(string name, bool privileged, Func<string?> denial, bool always, string way)
    {
        string shown = way.Length == 0 ? name : $"{name} by {way}";
        if (denial() is { } reason)
        {
            policy.Audit.Refused(shown, reason);
            throw new ChannelException(ChannelError.PermissionDenied, ErrorClass.Refused, reason);
        }
        policy.RequireMethod(name);
        if (!always && Restriction() is { } present)
        {
            policy.Audit.Refused(shown, present);
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Retry, present);
        }
        if (privileged)
        {
            policy.Audit.Privileged(shown);
        }
    }
}
