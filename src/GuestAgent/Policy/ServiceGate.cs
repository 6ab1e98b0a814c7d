using ChannelSdk.Channels;
using ChannelSdk.Protocol.Errors;
using Google.Protobuf;

namespace ChannelSdk.GuestAgent.Policy;

/// <summary>
/// The way by which the agent's services are registered, and the guard of the channel that serves them: each call passes the policy
/// before its handler runs, and a privileged one is noted.
/// </summary>
/// <param name="registry">Where the methods go.</param>
/// <param name="policy">What is asked at each call.</param>
/// <param name="whyNot">Why a permission that methods need is not given, or null.</param>
internal sealed class ServiceGate(ServiceRegistry registry, AgentPolicy policy, Func<string, string?> whyNot) : ICallGuard
{
    private readonly Dictionary<string, MethodDescriptor> _methods = new(StringComparer.Ordinal);

    /// <summary>Why calls that are not served while frozen must wait at present, or null: asked at each call.</summary>
    public Func<string?> Restriction { get; set; } = static () => null;

    /// <summary>The rules that hold now.</summary>
    public PolicyRules Policy => policy.Current;

    /// <summary>The methods that may be called now, sorted.</summary>
    public IEnumerable<string> Allowed => registry.Methods.Where(name => WhyNot(name) is null);

    /// <summary>Why a method may not be called now, or null; what restricts all calls for a time is left out.</summary>
    /// <param name="method">A registered method.</param>
    public string? WhyNot(string method) => Find(method) is { } known ? Denial(known) : $"there is no method {method}";

    /// <summary>Lets a call through that came another way than the channel, under the same rules.</summary>
    /// <param name="method">The registered method that does the same.</param>
    /// <param name="way">How it came, for the record.</param>
    /// <exception cref="ChannelException">It is refused.</exception>
    public void Pass(string method, string way) => Enter(
        Find(method) ?? throw new ArgumentException($"{method} is not registered", nameof(method)), way);

    /// <summary>Registers a unary method.</summary>
    /// <param name="method">The method.</param>
    /// <param name="handler">What serves it.</param>
    public void Unary<TRequest, TReply>(RpcMethod<TRequest, TReply> method, Func<TRequest, CallContext, ValueTask<TReply>> handler)
        where TRequest : class, IMessage<TRequest>, new()
        where TReply : class, IMessage<TReply>, new()
    {
        _methods.Add(method.Name, method);
        registry.Unary(method, handler);
    }

    /// <summary>Registers a streaming method.</summary>
    /// <param name="method">The method.</param>
    /// <param name="handler">What serves it.</param>
    public void Stream<TRequest>(StreamMethod<TRequest> method, Func<TRequest, ChannelStream, CallContext, ValueTask> handler)
        where TRequest : class, IMessage<TRequest>, new()
    {
        _methods.Add(method.Name, method);
        registry.Stream(method, handler);
    }

    void ICallGuard.OnCalling(string method, bool isPrivileged)
    {
        // What the agent calls of the host is the host's to allow.
    }

    void ICallGuard.OnCalled(string untrustedMethod, bool isServed)
    {
        if (Find(untrustedMethod) is { } method)
        {
            Enter(method, "");
        }
    }

    private MethodDescriptor? Find(string method) => _methods.GetValueOrDefault(method);

    private string? Denial(MethodDescriptor method) => whyNot(method.Permission)
        ?? (policy.Current.AllowsMethod(method.Name) ? null : $"the image's policy does not allow {method.Name}");

    private void Enter(MethodDescriptor method, string way)
    {
        var shown = way.Length == 0 ? method.Name : $"{method.Name} by {way}";
        if (Denial(method) is { } reason)
        {
            policy.Audit.Refused(shown, reason);
            throw new ChannelException(ChannelError.PermissionDenied, ErrorClass.Refused, reason);
        }

        if (!method.IsServedWhileFrozen && Restriction() is { } present)
        {
            policy.Audit.Refused(shown, present);
            throw new ChannelException(ChannelError.FailedPrecondition, ErrorClass.Retry, present);
        }

        if (method.IsPrivileged)
        {
            policy.Audit.Privileged(shown);
        }
    }
}
