using System.Text;
using ChannelSdk.Protocol.Options;
using Google.Protobuf;

namespace ChannelSdk.Channels;

/// <summary>
/// What both sides must know of a method, written once: they register, call, check and note it by this. Its message types are those of
/// <see cref="RpcMethod{TRequest, TReply}"/> and <see cref="StreamMethod{TRequest}"/>.
/// </summary>
public abstract class MethodDescriptor
{
    private protected MethodDescriptor(string name, StreamClass streamClass, bool isPrivileged, bool isServedWhileFrozen, string permission)
    {
        (Name, StreamClass, IsPrivileged, IsServedWhileFrozen, Permission) = (name, streamClass, isPrivileged, isServedWhileFrozen, permission);
        NameBytes = Encoding.ASCII.GetBytes(name);
    }

    /// <summary>Name on the wire, and in policies: 1 to 128 printable ASCII characters, by habit <c>service.Method</c>.</summary>
    public string Name { get; }

    /// <summary>Priority class of its calls.</summary>
    public StreamClass StreamClass { get; }

    /// <summary>Whether it changes the peer, so that both sides note calls of it.</summary>
    public bool IsPrivileged { get; }

    /// <summary>Whether a guest whose file systems stand still serves it; it touches no file then.</summary>
    public bool IsServedWhileFrozen { get; }

    /// <summary>What the server's policy must allow besides the method itself; empty for nothing.</summary>
    public string Permission { get; }

    internal byte[] NameBytes { get; }
}

/// <summary>A unary method: a request message, and a reply message or a status.</summary>
/// <typeparam name="TRequest">Request message.</typeparam>
/// <typeparam name="TReply">Reply message.</typeparam>
/// <param name="name">1 to 128 printable ASCII characters, by habit <c>service.Method</c>.</param>
/// <param name="streamClass">Priority class of its calls.</param>
/// <param name="isPrivileged">Whether it changes the peer, so that both sides note calls of it.</param>
/// <param name="isServedWhileFrozen">Whether a guest whose file systems stand still serves it; it touches no file then.</param>
/// <param name="permission">What the server's policy must allow besides the method itself; empty for nothing.</param>
public sealed class RpcMethod<TRequest, TReply>(
    string name, StreamClass streamClass, bool isPrivileged = false, bool isServedWhileFrozen = false, string permission = "")
    : MethodDescriptor(name, streamClass, isPrivileged, isServedWhileFrozen, permission)
    where TRequest : class, IMessage<TRequest>, new()
    where TReply : class, IMessage<TReply>, new();

/// <summary>A streaming method: a request message, then plain byte messages both ways, a status at the end.</summary>
/// <typeparam name="TRequest">Request message.</typeparam>
/// <param name="name">1 to 128 printable ASCII characters, by habit <c>service.Method</c>.</param>
/// <param name="streamClass">Priority class of its calls.</param>
/// <param name="isPrivileged">Whether it changes the peer, so that both sides note calls of it.</param>
/// <param name="isServedWhileFrozen">Whether a guest whose file systems stand still serves it; it touches no file then.</param>
/// <param name="permission">What the server's policy must allow besides the method itself; empty for nothing.</param>
public sealed class StreamMethod<TRequest>(
    string name, StreamClass streamClass, bool isPrivileged = false, bool isServedWhileFrozen = false, string permission = "")
    : MethodDescriptor(name, streamClass, isPrivileged, isServedWhileFrozen, permission)
    where TRequest : class, IMessage<TRequest>, new();

/// <summary>What a caller may say about one call.</summary>
/// <param name="Deadline">Time that the call may take in all, above 0; null: no limit but the caller's token.</param>
/// <param name="AnswerWithin">
/// Time until the first message of a stream's peer, above 0: its waiting for a link counts, what comes afterwards does not. Null: no limit.
/// </param>
public readonly record struct CallOptions(TimeSpan? Deadline = null, TimeSpan? AnswerWithin = null);
