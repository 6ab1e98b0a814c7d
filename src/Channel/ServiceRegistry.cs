using System.Text;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Rpc;
using Google.Protobuf;

namespace ChannelSdk.Channels;

/// <summary>The methods that this side serves. Filled before the channel starts; one line for each method.</summary>
public sealed class ServiceRegistry
{
    private readonly Dictionary<string, MethodHandler> _methods = new(StringComparer.Ordinal);

    /// <summary>Names of the methods, sorted.</summary>
    public IReadOnlyList<string> Methods
    {
        get
        {
            List<string> names = [.. _methods.Keys];
            names.Sort(StringComparer.Ordinal);
            return names;
        }
    }

    /// <summary>
    /// Serves a unary method. The handler runs on the channel's receive path: it returns quickly or goes async. A
    /// <see cref="ChannelException"/> that it throws is the caller's status; any other one is Internal, without its text.
    /// </summary>
    public void Unary<TRequest, TReply>(RpcMethod<TRequest, TReply> method, Func<TRequest, CallContext, ValueTask<TReply>> handler)
        where TRequest : class, IMessage<TRequest>, new()
        where TReply : class, IMessage<TReply>, new() =>
        Add(method.Name, new UnaryHandler<TRequest, TReply>(method.Name, handler));

    /// <summary>Serves a streaming method. The handler runs on the thread pool; its return is the call's good end.</summary>
    public void Stream<TRequest>(StreamMethod<TRequest> method, Func<TRequest, ChannelStream, CallContext, ValueTask> handler)
        where TRequest : class, IMessage<TRequest>, new() =>
        Add(method.Name, new StreamHandler<TRequest>(method.Name, handler));

    internal MethodHandler? Find(ReadOnlySpan<byte> asciiName)
    {
        Span<char> name = stackalloc char[RpcHeader.MaxMethod];
        return Encoding.ASCII.TryGetChars(asciiName, name, out var length)
            && _methods.GetAlternateLookup<ReadOnlySpan<char>>().TryGetValue(name[..length], out var handler) ? handler : null;
    }

    private void Add(string name, MethodHandler handler)
    {
        if (name.Length is 0 or > RpcHeader.MaxMethod || name.AsSpan().ContainsAnyExceptInRange('\x21', '\x7E'))
        {
            throw new ArgumentException($"a method name is 1 to {RpcHeader.MaxMethod} printable ASCII characters, not '{name}'", nameof(name));
        }

        _methods.Add(name, handler);
    }
}
