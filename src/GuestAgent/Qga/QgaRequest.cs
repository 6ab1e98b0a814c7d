using System.Text.Json;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>A request, as far as it is the same for all commands.</summary>
/// <param name="command">What to do.</param>
/// <param name="arguments">With what.</param>
internal sealed class QgaRequest(string command, QgaArguments arguments)
{
    public string Command { get; } = command;
    public QgaArguments Arguments { get; } = arguments;

    /// <summary>Whether bytes are the beginning of a request, which are in no other place of one.</summary>
    public static bool Begins(ReadOnlySpan<byte> untrusted)
    {
        untrusted = untrusted.TrimStart(" \t\r\n"u8);
        if (untrusted is not [(byte)'{', ..])
        {
            return false;
        }

        untrusted = untrusted[1..].TrimStart(" \t\r\n"u8);
        return untrusted is [(byte)'"' or (byte)'\'', ..]
            && (untrusted[1..].StartsWith("execute"u8) || untrusted[1..].StartsWith("arguments"u8) || untrusted[1..].StartsWith("id"u8));
    }

    /// <summary>Reads a request.</summary>
    /// <param name="untrusted">What came.</param>
    /// <exception cref="QgaException">It is no request.</exception>
    public static QgaRequest Read(QgaValue untrusted)
    {
        if (untrusted.Kind != JsonTokenType.StartObject)
        {
            throw new QgaException("QMP input must be a JSON object");
        }

        string? command = null;
        QgaValue? arguments = null;
        foreach (var (name, value) in untrusted.Members)
        {
            switch (name)
            {
                case "execute":
                    command = value.AsText() ?? throw new QgaException("QMP input member 'execute' must be a string");
                    break;
                case "arguments":
                    arguments = value.Kind == JsonTokenType.StartObject ? value
                        : throw new QgaException("QMP input member 'arguments' must be an object");
                    break;
                case "id":
                    break;
                default:
                    throw new QgaException($"QMP input member '{name}' is unexpected");
            }
        }

        return command is null
            ? throw new QgaException("QMP input lacks member 'execute'")
            : new QgaRequest(command, new QgaArguments(arguments));
    }
}
