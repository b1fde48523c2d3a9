#include "frontend/parser.h"

#include <fmt/format.h>

namespace gptc {

namespace {

using namespace ast;

class Printer {
public:
  std::string out;

  void file(const File &file) { statements(file.statements); }

  /// `level` is the weakest operator that needs no parentheses here.
  void expr(const Expr &e, int level = 0) {
    switch (e.kind) {
    case Expr::Number:
    case Expr::Name:
      out += e.text;
      return;
    case Expr::String:
      quoted(e.text);
      return;
    case Expr::Unary:
      parenthesised(e.text == "not" ? 2 : 5, level, [&] {
        out += e.text == "not" ? "not " : e.text;
        expr(*e.children[0], e.text == "not" ? 2 : 5);
      });
      return;
    case Expr::Binary: {
      int own = precedence(e.text);
      bool right = e.text == "^";
      parenthesised(own, level, [&] {
        expr(*e.children[0], right || own == 2 ? own + 1 : own);
        out += " " + e.text + " ";
        expr(*e.children[1], right ? 5 : own + 1);
      });
      return;
    }
    case Expr::Call:
      expr(*e.children[0], 7);
      out += "(";
      join(e.arguments, [&](const Argument &a) { argument(a); });
      out += ")";
      return;
    case Expr::Subscript:
      expr(*e.children[0], 7);
      out += "[";
      join(e.indices, [&](const Index &i) {
        if (i.kind == Index::Rest)
          out += "..";
        else if (i.kind == Index::Group)
          group(i.group);
        else
          expr(*i.expr);
      });
      out += "]";
      return;
    case Expr::List:
      out += "[";
      join(e.children, [&](const ExprPtr &c) { expr(*c); });
      out += "]";
      return;
    case Expr::Member:
      expr(*e.children[0], 7);
      out += "." + e.text;
      return;
    }
  }

private:
  int indent = 0;

  static int precedence(const std::string &op) {
    if (op == "or")
      return 0;
    if (op == "and")
      return 1;
    if (op == "+" || op == "-")
      return 3;
    if (op == "*" || op == "/" || op == "%")
      return 4;
    return op == "^" ? 6 : 2;
  }

  template <typename F> void parenthesised(int own, int level, F inner) {
    if (own < level)
      out += "(";
    inner();
    if (own < level)
      out += ")";
  }

  template <typename List, typename F> void join(const List &list, F element) {
    bool first = true;
    for (auto &item : list) {
      if (!first)
        out += ", ";
      first = false;
      element(item);
    }
  }

  void quoted(const std::string &text) {
    out += '"';
    for (char c : text) {
      if (c == '\n')
        out += "\\n";
      else if (c == '\t')
        out += "\\t";
      else {
        if (c == '"' || c == '\\')
          out += '\\';
        out += c;
      }
    }
    out += '"';
  }

  void group(const std::vector<Name> &names) {
    out += "(";
    for (size_t i = 0; i < names.size(); ++i)
      out += (i ? " " : "") + names[i].text;
    out += ")";
  }

  void names(const std::vector<Name> &list) {
    join(list, [&](const Name &n) { out += n.text; });
  }

  void argument(const Argument &a) {
    if (!a.names.empty()) {
      names(a.names);
      if (a.condition) {
        out += " where ";
        expr(*a.condition);
      }
      out += ": ";
    }
    expr(*a.value);
  }

  void dims(const std::vector<Dimension> &list) {
    out += "[";
    join(list, [&](const Dimension &d) {
      switch (d.kind) {
      case Dimension::Named: out += d.name.text; break;
      case Dimension::Sized: out += d.name.text + ": "; expr(*d.size); break;
      case Dimension::Bounded: out += d.name.text + " < "; expr(*d.size); break;
      case Dimension::Anonymous: expr(*d.size); break;
      case Dimension::Group: group(d.group); break;
      case Dimension::Rest: out += ".."; break;
      }
    });
    out += "]";
  }

  void optionalDims(const std::vector<Dimension> &list, bool present) {
    if (present)
      dims(list);
  }

  void inputs(const std::vector<FormalInput> &list) {
    join(list, [&](const FormalInput &i) {
      out += i.name.text;
      optionalDims(i.dims, i.hasDims);
    });
  }

  void line() {
    out += "\n";
    out.append(indent * 2, ' ');
  }

  void statements(const std::vector<Statement> &list) {
    for (const Statement &s : list) {
      statement(s);
      line();
    }
  }

  void body(const Body &b) {
    out += " {";
    ++indent;
    for (const Statement &s : b.statements) {
      line();
      statement(s);
    }
    if (b.value) {
      line();
      expr(*b.value);
    }
    --indent;
    line();
    out += "}";
  }

  void fields(const std::vector<Field> &list, const char *separator) {
    join(list, [&](const Field &f) {
      out += f.name.text + separator;
      expr(*f.value);
    });
  }

  void statement(const Statement &s) {
    switch (s.kind) {
    case Statement::Use:
      out += "use ";
      quoted(s.text);
      return;
    case Statement::Setting:
      out += "setting ";
      fields(s.fields, " = ");
      return;
    case Statement::Data:
      out += s.text + " ";
      join(s.data, [&](const DataDecl &d) {
        out += d.name.text;
        optionalDims(d.dims, !d.dims.empty());
        value(" = ", d.value);
      });
      value(": ", s.value);
      return;
    case Statement::Param:
      out += "param ";
      join(s.params, [&](const ParamDecl &p) {
        out += p.name.text;
        optionalDims(p.dims, !p.dims.empty());
        value(p.distribution ? " ~ " : " = ", p.init);
      });
      return;
    case Statement::Let:
      out += "let " + s.name.text;
      optionalDims(s.dims, s.hasDims);
      value(" = ", s.value);
      return;
    case Statement::Assign:
      out += s.name.text;
      value(" = ", s.value);
      return;
    case Statement::Def:
      out += "def " + s.name.text + "(";
      if (!s.binders.empty()) {
        names(s.binders);
        out += ": ";
      }
      inputs(s.inputs);
      out += ")";
      if (s.body->statements.empty() && s.body->value)
        value(" = ", s.body->value);
      else
        body(*s.body);
      value(" gradient ", s.gradient);
      return;
    case Statement::Block:
      out += "block " + s.name.text;
      if (!s.settings.empty()) {
        out += "(";
        join(s.settings, [&](const FormalSetting &f) {
          out += f.name.text;
          if (f.isFunction) {
            out += "(";
            names(f.parameters);
            out += ")";
          }
          value(" = ", f.defaultValue);
        });
        out += ") ";
      }
      out += "(";
      inputs(s.inputs);
      out += ")";
      if (!s.results.empty()) {
        out += " -> ";
        join(s.results, [&](const std::vector<Dimension> &r) { dims(r); });
      }
      body(*s.body);
      return;
    case Statement::Repeat:
      out += "repeat " + s.name.text + "[";
      expr(*s.count);
      out += "]";
      body(*s.body);
      return;
    case Statement::Output:
      out += "output ";
      expr(*s.value);
      if (!s.over.text.empty())
        out += " over " + s.over.text;
      return;
    case Statement::Loss:
      value("loss ", s.value);
      return;
    case Statement::Report:
      out += "report " + s.name.text;
      value(" = ", s.value);
      return;
    case Statement::Train:
    case Statement::Generate:
      out += s.kind == Statement::Train ? "train { " : "generate { ";
      fields(s.fields, ": ");
      out += s.fields.empty() ? "}" : " }";
      return;
    }
  }

  void value(const char *before, const ExprPtr &e) {
    if (!e)
      return;
    out += before;
    expr(*e);
  }
};

} // namespace

std::string print(const ast::File &file) {
  Printer printer;
  printer.file(file);
  return std::move(printer.out);
}

std::string print(const ast::Expr &expr) {
  Printer printer;
  printer.expr(expr);
  return std::move(printer.out);
}

} // namespace gptc
