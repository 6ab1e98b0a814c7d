using System.Buffers;
using System.Buffers.Text;
using System.Text.Json;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>A request's arguments, taken one by one. The errors are worded as qemu-ga's.</summary>
/// <param name="value">An object, or null for none.</param>
/// <param name="path">What stands before an argument's name in errors.</param>
internal sealed class QgaArguments(QgaValue? value, string path = "")
{
    private readonly List<string> _taken = [];

    /// <summary>A text that must be there.</summary>
    public string Text(string name) => TextOrNull(name) ?? throw Missing(name);

    /// <summary>A text that may be missing.</summary>
    public string? TextOrNull(string name) => Find(name) is { } found ? found.AsText() ?? throw WrongType(name, "string") : null;

    /// <summary>A whole number that must be there.</summary>
    public long Integer(string name) => IntegerOrNull(name) ?? throw Missing(name);

    /// <summary>A whole number that may be missing.</summary>
    public long? IntegerOrNull(string name) => Find(name) is { } found ? found.AsInteger() ?? throw WrongType(name, "integer") : null;

    /// <summary>True or false, which must be there.</summary>
    public bool Boolean(string name) => BooleanOrNull(name) ?? throw Missing(name);

    /// <summary>True or false, which may be missing.</summary>
    public bool? BooleanOrNull(string name) => Find(name)?.Kind switch
    {
        null => null,
        JsonTokenType.True => true,
        JsonTokenType.False => false,
        _ => throw WrongType(name, "boolean"),
    };

    /// <summary>The bytes of a text in base64 that may be missing. They are decoded where the text was.</summary>
    /// <exception cref="QgaException">It is no base64.</exception>
    public Memory<byte>? BytesOrNull(string name)
    {
        if (Find(name) is not { } found)
        {
            return null;
        }

        var text = found.Kind == JsonTokenType.String ? found.AsBytes() : throw WrongType(name, "string");
        // Line ends are passed over, as qemu-ga's decoder has it: encoders wrap at 76 signs and end with one.
        text = WithoutLineEnds(text);
        // The last signs may be left out, as GLib's decoder, which clients were made for, has it.
        var whole = text.Length / 4 * 4;
        var rest = text.Length - whole;
        Span<byte> last = stackalloc byte[4] { (byte)'=', (byte)'=', (byte)'=', (byte)'=' };
        text.Span[whole..].CopyTo(last);
        var tail = 0;
        var isValid = rest != 1 && !text.Span.ContainsAny(" \t\r"u8)
            && (rest == 0 || (Base64.DecodeFromUtf8InPlace(last, out tail) == OperationStatus.Done && !text.Span[..whole].Contains((byte)'=')));
        if (!isValid || Base64.DecodeFromUtf8InPlace(text.Span[..whole], out var length) != OperationStatus.Done)
        {
            throw new QgaException("Base64 data contains invalid characters");
        }

        last[..tail].CopyTo(text.Span[length..]);
        return text[..(length + tail)];
    }

    private static Memory<byte> WithoutLineEnds(Memory<byte> text)
    {
        var signs = text.Span;
        var kept = signs.IndexOf((byte)'\n');
        if (kept < 0)
        {
            return text;
        }

        for (var i = kept; i < signs.Length; i++)
        {
            if (signs[i] != '\n')
            {
                signs[kept++] = signs[i];
            }
        }

        return text[..kept];
    }

    /// <summary>An argument of more than one type, or null.</summary>
    public QgaValue? Any(string name) => Find(name);

    /// <summary>The texts of a list, which is empty if it is missing.</summary>
    public List<string> Texts(string name)
    {
        var texts = new List<string>();
        foreach (var (_, item) in Items(name, false))
        {
            texts.Add(item.AsText() ?? throw WrongType($"{name}[{texts.Count}]", "string"));
        }

        return texts;
    }

    /// <summary>The objects of a list that must be there.</summary>
    public List<QgaArguments> Objects(string name)
    {
        var objects = new List<QgaArguments>();
        foreach (var (_, item) in Items(name, true))
        {
            var at = $"{name}[{objects.Count}]";
            objects.Add(item.Kind == JsonTokenType.StartObject ? new QgaArguments(item, $"{path}{at}.") : throw WrongType(at, "object"));
        }

        return objects;
    }

    /// <summary>Whether an argument is there.</summary>
    public bool Has(string name) => value?.Find(name) is not null;

    /// <summary>Sees to it that nothing is there that was not taken.</summary>
    public void End()
    {
        foreach (var (name, _) in value?.Members ?? [])
        {
            if (!_taken.Contains(name))
            {
                throw new QgaException($"Parameter '{path}{name}' is unexpected");
            }
        }
    }

    /// <summary>The error for an argument of another type.</summary>
    public QgaException WrongType(string name, string expected) => new($"Invalid parameter type for '{path}{name}', expected: {expected}");

    /// <summary>The error for an argument that is not there.</summary>
    public QgaException Missing(string name) => new($"Parameter '{path}{name}' is missing");

    private IReadOnlyList<(string Name, QgaValue Value)> Items(string name, bool mustBe) => Find(name) switch
    {
        null => mustBe ? throw Missing(name) : [],
        { Kind: JsonTokenType.StartArray } list => list.Members,
        _ => throw WrongType(name, "array"),
    };

    private QgaValue? Find(string name)
    {
        _taken.Add(name);
        return value?.Find(name);
    }
}
