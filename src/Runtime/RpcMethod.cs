using System.Text;
using ChannelSdk.Protocol;
using Google.Protobuf;

namespace ChannelSdk.Runtime;

/// <summary>A unary method: its name on the wire, its priority class, its message types.</summary>
/// <typeparam name="TRequest">Request message.</typeparam>
/// <typeparam name="TReply">Reply message.</typeparam>
/// <param name="name">1 to 128 printable ASCII characters, by habit <c>service.Method</c>.</param>
/// <param name="streamClass">Priority class of its calls.</param>
/// <param name="isPrivileged">Whether it changes the peer, so that both sides note calls of it.</param>
/// <param name="isServedWhileFrozen">Whether a guest whose file systems stand still serves it; it touches no file then.</param>
public sealed class RpcMethod<TRequest, TReply>(string name, StreamClass streamClass, bool isPrivileged = false, bool isServedWhileFrozen = false)
    where TRequest : class, IMessage<TRequest>, new()
    where TReply : class, IMessage<TReply>, new()
{
    /// <summary>Name on the wire.</summary>
    public string Name { get; } = name;

    /// <summary>Priority class.</summary>
    public StreamClass StreamClass { get; } = streamClass;

    /// <summary>Whether it changes the peer, so that both sides note calls of it.</summary>
    public bool IsPrivileged { get; } = isPrivileged;

    /// <summary>Whether a guest whose file systems stand still serves it.</summary>
    public bool IsServedWhileFrozen { get; } = isServedWhileFrozen;

    internal byte[] NameBytes { get; } = Encoding.ASCII.GetBytes(name);
}

/// <summary>A streaming method: a request message, then plain byte messages both ways, a status at the end.</summary>
/// <typeparam name="TRequest">Request message.</typeparam>
/// <param name="name">1 to 128 printable ASCII characters.</param>
/// <param name="streamClass">Priority class of its calls.</param>
/// <param name="isPrivileged">Whether it changes the peer, so that both sides note calls of it.</param>
/// <param name="isServedWhileFrozen">Whether a guest whose file systems stand still serves it; it touches no file then.</param>
public sealed class StreamMethod<TRequest>(string name, StreamClass streamClass, bool isPrivileged = false, bool isServedWhileFrozen = false)
    where TRequest : class, IMessage<TRequest>, new()
{
    /// <summary>Name on the wire.</summary>
    public string Name { get; } = name;

    /// <summary>Priority class.</summary>
    public StreamClass StreamClass { get; } = streamClass;

    /// <summary>Whether it changes the peer, so that both sides note calls of it.</summary>
    public bool IsPrivileged { get; } = isPrivileged;

    /// <summary>Whether a guest whose file systems stand still serves it.</summary>
    public bool IsServedWhileFrozen { get; } = isServedWhileFrozen;

    internal byte[] NameBytes { get; } = Encoding.ASCII.GetBytes(name);
}

/// <summary>What a caller may say about one call.</summary>
/// <param name="Deadline">Time that the call may take in all, above 0; null: no limit but the caller's token.</param>
/// <param name="AnswerWithin">
/// Time until the first message of a stream's peer, above 0: its waiting for a link counts, what comes afterwards does not. Null: no limit.
/// </param>
public readonly record struct CallOptions(TimeSpan? Deadline = null, TimeSpan? AnswerWithin = null);
